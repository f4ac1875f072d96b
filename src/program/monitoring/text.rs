//! How generated texts are laid out, whichever language they are in.

/// Indents what follows by this many levels, two spaces each.
pub(super) fn indent(depth: usize, to: &mut String) {
    to.extend(std::iter::repeat_n("  ", depth));
}
