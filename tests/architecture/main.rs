//! Who may import whom, and where tests stand. ARCHITECTURE.md draws it, `rule.rs` states it; this holds the code to
//! it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod rule;

use rule::{MAY_KNOW, ONLY_IN, TOOLS, WINGS};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn sources(root: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without its unit tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    before_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains("tests") || name.contains("testkit") || name.contains("store/conformance")
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    found.retain(|path| !is_test(path));
    assert!(found.len() > 50, "the test does not see the sources");
    found
}

/// The room that a file stands in, as MAY_KNOW names it; its wing alone where that has files of its own.
fn room_of(path: &Path) -> String {
    let parts: Vec<String> = path
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned())
        .collect();
    named(&parts[0], parts.get(1).map_or("", String::as_str))
}

fn named(wing: &str, room: &str) -> String {
    let has_rooms = ["pipeline", "operations", "server", "program"].contains(&wing);
    if has_rooms && !room.is_empty() {
        format!("{wing}/{room}")
    } else {
        wing.to_owned()
    }
}

fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// The items of a `{…}` at which the text begins, without what is nested in them.
fn items(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == '{' || c == ',') {
            found.push(ident(group[at + 1..].trim_start()));
        }
    }
    found
}

/// The rooms that a text names.
fn used_by(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for after in code.split("crate::").skip(1) {
        let wing = ident(after);
        let room = after[wing.len()..].strip_prefix("::").unwrap_or("");
        if room.starts_with('{') {
            used.extend(items(room).into_iter().map(|room| named(wing, room)));
        } else {
            used.push(named(wing, ident(room)));
        }
    }
    used
}

/// Which room names which, and in which files.
fn arrows() -> BTreeMap<(String, String), Vec<PathBuf>> {
    let mut arrows = BTreeMap::<_, Vec<PathBuf>>::new();
    for path in all_sources() {
        let room = room_of(&path);
        for used in used_by(&code(&path)) {
            if used != room {
                arrows.entry((room.clone(), used)).or_default().push(path.clone());
            }
        }
    }
    arrows
}

fn wing_of(room: &str) -> Option<usize> {
    let wing = room.split('/').next().unwrap();
    WINGS.iter().position(|known| *known == wing)
}

#[test]
fn rooms_know_only_whom_they_may() {
    let may_know: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let mut wrong = Vec::new();
    for ((room, used), files) in arrows() {
        if ["lib", "main"].contains(&room.as_str()) || !may_know.contains_key(used.as_str()) {
            continue;
        }
        // A wing's own file names its rooms.
        let allowed = may_know.get(room.as_str()).unwrap_or(&(&[] as &[&str]));
        if !allowed.contains(&"*") && !allowed.contains(&used.as_str()) {
            wrong.push(format!("{room} knows {used}: {}", files[0].display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rule_has_a_line_for_every_room_and_none_for_what_nobody_does() {
    let arrows = arrows();
    let rooms: BTreeSet<String> = all_sources().iter().map(|path| room_of(path)).collect();
    let ruled: BTreeSet<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
    let other = |room: &str| {
        [
            "lib",
            "main",
            "pipeline/mod",
            "operations/mod",
            "server/mod",
            "program/mod",
        ]
        .contains(&room)
            || TOOLS.contains(&room)
    };
    let mut wrong = Vec::new();
    for room in rooms
        .iter()
        .filter(|room| !other(room) && !ruled.contains(room.as_str()))
    {
        wrong.push(format!("no rule for {room}"));
    }
    for (room, allowed) in MAY_KNOW {
        if !rooms.contains(*room) {
            wrong.push(format!("a rule for {room}, which is not there"));
        }
        for used in allowed.iter().filter(|used| **used != "*") {
            let arrow = ((*room).to_owned(), (*used).to_owned());
            if !arrows.contains_key(&arrow) {
                wrong.push(format!("{room} does not know {used} any more"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_wing_knows_one_above_it_and_no_two_rooms_know_each_other() {
    let arrows = arrows();
    let mut wrong = Vec::new();
    for (room, used) in arrows.keys() {
        if let (Some(from), Some(to)) = (wing_of(room), wing_of(used))
            && from < to
        {
            wrong.push(format!("{room} looks up to {used}"));
        }
        let declares = room == "store" && used == "settings";
        if TOOLS.contains(&used.as_str()) && wing_of(room).is_some_and(|wing| wing < 2) && !declares {
            wrong.push(format!("{room} uses {used}"));
        }
    }
    // Whom a room knows, and whom these know, and so on: never the room itself.
    for room in MAY_KNOW.iter().map(|(room, _)| *room) {
        let mut reached = BTreeSet::new();
        let mut open = vec![room.to_owned()];
        while let Some(from) = open.pop() {
            for (_, used) in arrows.keys().filter(|(by, _)| *by == from) {
                if reached.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        if reached.contains(room) {
            wrong.push(format!("{room} is part of a circle"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn engine_codec_and_clock_stay_where_they_are() {
    let mut wrong = Vec::new();
    for path in all_sources() {
        let text = code(&path);
        for (name, homes) in ONLY_IN {
            let at_home = homes.iter().any(|home| path.to_string_lossy().starts_with(home));
            if text.contains(name) && !at_home {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The module of a room that a file belongs to: `mod` for the room's own file.
fn module_of(room: &Path, path: &Path) -> String {
    let first = path.strip_prefix(room).unwrap().iter().next().unwrap();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// What a text says behind each mention of a path: the next name, or all names of a `{…}`.
fn named_behind<'a>(code: &'a str, path: &str) -> Vec<&'a str> {
    let inside = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let mut names = Vec::new();
    for (at, _) in code.match_indices(path).filter(|(at, _)| !inside(&code[..*at])) {
        let after = &code[at + path.len()..];
        if after.starts_with('{') {
            names.extend(items(after));
        } else {
            names.push(ident(after));
        }
    }
    names
}

/// The names that a room's own file hands on, and the module each comes from.
fn handed_on(own: &str) -> BTreeMap<&str, &str> {
    let mut handed_on = BTreeMap::new();
    for text in own.split("\npub").skip(1) {
        let statement = text.split(';').next().unwrap();
        let Some((_, path)) = statement.split_once("use ") else {
            continue;
        };
        let path = path.trim_start_matches("self::");
        let module = ident(path);
        for name in path.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
            handed_on.insert(name, module);
        }
    }
    handed_on
}

/// A text without the statements that only name modules or hand on what is theirs.
fn without_declarations(own: &str) -> String {
    let before = |statement: &str| {
        let starts = statement.match_indices('\n').map(|(at, _)| at + 1);
        let declares = |text: &str| {
            let line = text.lines().next().unwrap_or("");
            (line.starts_with("pub") && line.contains("use ")) || names_module(line)
        };
        let at = std::iter::once(0)
            .chain(starts)
            .rfind(|at| declares(&statement[*at..]));
        at.unwrap_or(statement.len())
    };
    own.split_inclusive(';')
        .map(|statement| &statement[..before(statement)])
        .collect()
}

/// Whether a line declares a module.
fn names_module(line: &str) -> bool {
    let line = line.trim_start_matches("pub");
    let line = match line.split_once(')') {
        Some((to, rest)) if to.starts_with('(') => rest,
        _ => line,
    };
    line.trim_start().starts_with("mod ")
}

/// Which module of a room knows which other.
fn known_inside(room: &str) -> BTreeMap<String, BTreeSet<String>> {
    let home = Path::new("src").join(room);
    let files: Vec<PathBuf> = all_sources()
        .into_iter()
        .filter(|path| path.starts_with(&home))
        .collect();
    assert!(!files.is_empty(), "{room} has no sources");
    let modules: BTreeSet<String> = files.iter().map(|path| module_of(&home, path)).collect();
    let own = code(&home.join("mod.rs"));
    let handed_on = handed_on(&own);
    let absolute = format!("crate::{}::", room.replace('/', "::"));

    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    for path in &files {
        let module = module_of(&home, path);
        let text = code(path);
        let known = known.entry(module.clone()).or_default();
        let mut names = named_behind(&text, &absolute);
        let text = if module == "mod" {
            without_declarations(&text)
        } else {
            let folders = path.strip_prefix(&home).unwrap().iter().count() - 1;
            let is_folder = path.ends_with("mod.rs");
            let to_room = "super::".repeat(folders + usize::from(!is_folder));
            names.extend(named_behind(&text, &to_room));
            String::new()
        };
        let by_own_file = modules.iter().filter(|other| {
            let path = format!("{other}::");
            !named_behind(&text, &path).is_empty()
                || !named_behind(&text, &format!("self::{path}")).is_empty()
        });
        known.extend(by_own_file.cloned());
        for name in names {
            let is_item = name.starts_with(char::is_uppercase)
                || own.split("fn ").skip(1).any(|after| ident(after) == name);
            if modules.contains(name) {
                known.insert(name.to_owned());
            } else if let Some(from) = handed_on.get(name) {
                known.insert((*from).to_owned());
            } else if is_item {
                known.insert("mod".to_owned());
            }
        }
        known.remove(&module);
    }
    known
}

/// What leads from one back to itself, in order; none where nothing does.
fn circle(known: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let mut open = vec![vec![start.to_owned()]];
    let mut reached = BTreeSet::new();
    while !open.is_empty() {
        let way = open.remove(0);
        for next in known.get(way.last().unwrap()).into_iter().flatten() {
            let mut way = way.clone();
            way.push(next.clone());
            if next == start {
                return Some(way);
            }
            if reached.insert(next.clone()) {
                open.push(way);
            }
        }
    }
    None
}

/// The modules of a room are the files and folders that lie in the room itself. A room that is one file has none.
#[test]
fn no_two_modules_of_a_room_know_each_other() {
    let mut wrong = Vec::new();
    let rooms = MAY_KNOW.iter().map(|(room, _)| *room);
    for room in rooms.filter(|room| Path::new("src").join(room).is_dir()) {
        let known = known_inside(room);
        let circles = known.keys().filter_map(|module| circle(&known, module));
        wrong.extend(circles.map(|way| format!("{room}: {}", way.join(" → "))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lines that unit tests may have in the file that they test; longer ones have a file of their own.
const MAX_INLINE_TESTS: usize = 100;

#[test]
fn long_tests_have_a_file_of_their_own() {
    let mut files = Vec::new();
    for root in ["src", "sdk/src"] {
        sources(Path::new(root), &mut files);
    }
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let (_, tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or_default();
        let lines = tests.lines().take_while(|line| *line != "}").count();
        assert!(
            lines <= MAX_INLINE_TESTS,
            "{}: `mod tests` has {lines} lines, at most {MAX_INLINE_TESTS} may stand in the file that they test; \
             move them to {}/tests.rs",
            path.display(),
            path.with_extension("").display()
        );
    }
}
