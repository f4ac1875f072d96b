//! Compiles the few lines of C that the service needs; see `src/malloc.c`.

fn main() {
    println!("cargo:rerun-if-changed=src/malloc.c");
    cc::Build::new()
        .file("src/malloc.c")
        // Nothing calls it: it has to be linked all the same.
        .link_lib_modifier("+whole-archive")
        .compile("saga_tracker_malloc");
}
