use super::super::files::Files;
use super::super::texts::LANGUAGES;
use super::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn samples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/samples");
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    files.sort();
    files
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A sample laid over what every template is given, in a language.
fn data(path: &Path, language: &str) -> Json {
    let mut page = read(&path.with_file_name("_page.json"));
    let mut data = read(path);
    for (name, value) in data["page"].as_object().unwrap() {
        page[name] = value.clone();
    }
    page["lang"] = language.into();
    data["page"] = page;
    data
}

fn bound(page: &Json, language: &'static str) -> Bound {
    let here = page["here"].as_str().unwrap();
    let params = page["params"].as_object().unwrap();
    let values = |values: &Json| {
        let values = values.as_array().unwrap().iter();
        values.map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    Bound {
        look: Preferences {
            lang: language,
            zone: page["zone"].as_str().unwrap().to_owned(),
            ..Preferences::default()
        },
        path: here.split('?').next().unwrap().to_owned(),
        params: params
            .iter()
            .map(|(name, of)| (name.clone(), values(of)))
            .collect(),
        now: page["now"].as_str().unwrap().to_owned(),
    }
}

fn templates() -> Templates {
    Templates::read(&Files::default(), "").unwrap()
}

/// Every sample, rendered.
fn rendered() -> Vec<(String, String)> {
    let templates = templates();
    let mut rendered = Vec::new();
    for path in samples() {
        let name = name_of(&path);
        if name.starts_with('_') {
            continue;
        }
        let template = format!("{}.html", name.split('.').next().unwrap());
        for language in LANGUAGES {
            let data = data(&path, language);
            let html = templates.render(&template, &bound(&data["page"], language), &data);
            rendered.push((
                name.clone(),
                html.unwrap_or_else(|error| panic!("{name} in {language}: {error:#}")),
            ));
        }
    }
    rendered
}

#[test]
fn every_template_renders_from_its_samples_in_every_language() {
    let rendered = rendered();
    assert!(rendered.len() > 60);
    for (name, html) in rendered {
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        assert!(!html.contains("{{") && !html.contains("{%"), "{name}");
    }
}

#[test]
fn hostile_text_stays_text() {
    for (name, html) in rendered() {
        for bad in ["<script>alert", "<img src=x", " onerror=alert(1)>"] {
            assert!(!html.contains(bad), "{name} holds {bad}");
        }
        // Where an input holds a value it has to be the value itself.
        let without_values: String =
            html.split("value=\"")
                .enumerate()
                .fold(String::new(), |mut text, (at, part)| {
                    text.push_str(if at == 0 {
                        part
                    } else {
                        part.split_once('"').map_or("", |(_, rest)| rest)
                    });
                    text
                });
        assert!(
            !without_values.contains('\u{202e}'),
            "{name} turns its text round"
        );
    }
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    for (name, html) in rendered() {
        for bad in [
            " style=\"",
            "<style",
            " onclick=",
            "javascript:",
            " src=\"http",
            "href=\"//",
        ] {
            assert!(!html.contains(bad), "{name} holds {bad}");
        }
        let scripts = html.matches("<script").count();
        assert_eq!(
            html.matches("<script type=\"module\" src=\"").count(),
            scripts,
            "{name}"
        );
    }
}

#[test]
fn every_view_has_a_sample_and_no_two_elements_share_an_id() {
    let whole: BTreeSet<String> = TEMPLATES
        .iter()
        .filter(|(_, source)| source.contains("{% extends"))
        .map(|(name, _)| name.trim_end_matches(".html").to_owned())
        .collect();
    let sampled: BTreeSet<String> = samples()
        .iter()
        .map(|path| name_of(path).split('.').next().unwrap().to_owned())
        .collect();
    assert!(
        whole.is_subset(&sampled),
        "without a sample: {:?}",
        whole.difference(&sampled).collect::<Vec<_>>()
    );
    for (name, html) in rendered() {
        let mut seen = BTreeSet::new();
        for part in html.split(" id=\"").skip(1) {
            let id = part.split('"').next().unwrap();
            assert!(seen.insert(id), "{name}: two elements have the id {id}");
        }
    }
}

#[test]
fn what_a_template_is_not_given_is_an_error() {
    let path = samples()
        .into_iter()
        .find(|path| name_of(path) == "error.json")
        .unwrap();
    let mut data = data(&path, "en");
    data.as_object_mut().unwrap().remove("requestId");
    let rendered = templates().render("error.html", &bound(&data["page"], "en"), &data);
    assert!(rendered.unwrap_err().to_string().contains("undefined"));
}

#[test]
fn an_address_is_changed_where_it_is_asked_to_be() {
    let templates = templates();
    let bound = Bound {
        look: Preferences::default(),
        path: "/ui/search".to_owned(),
        params: address::params_of("status=FAILED&step=A&step=B&page=3"),
        now: "2026-11-20T21:04:12Z".to_owned(),
    };
    let mut environment = templates.environment.clone();
    templates.bind(&mut environment, &bound).unwrap();
    let show = |source: &str| environment.render_str(source, ()).unwrap();
    assert_eq!(show("{{ here(status=none) }}"), "/ui/search?step=A&step=B");
    assert_eq!(
        show("{{ here(page=4) }}"),
        "/ui/search?status=FAILED&step=A&step=B&page=4"
    );
    assert_eq!(
        show("{{ here(**{'step': ['C']}) }}"),
        "/ui/search?status=FAILED&step=C"
    );
    assert_eq!(show("{{ href('saga', id='A/B') }}"), "/ui/saga?id=A%2FB");
    assert_eq!(show("{{ '2026-11-20T20:23:12Z'|ago }}"), "41 m");
    assert!(show("{{ asset('main.js') }}").starts_with("/ui/assets/"));
}

fn rendered_of(sample: &str) -> Vec<String> {
    let found = rendered().into_iter().filter(|(name, _)| name == sample);
    let found: Vec<String> = found.map(|(_, html)| html).collect();
    assert_eq!(found.len(), LANGUAGES.len(), "{sample}");
    found
}

#[test]
fn what_a_redrive_changes_stands_on_its_view_and_in_the_dialog_that_publishes_it() {
    for html in rendered_of("redrive_rehearsal.change.json") {
        let (view, dialog) = html.split_once("id=\"act-publish\"").unwrap();
        for part in [view, dialog] {
            assert!(part.contains("<span class=\"diff-old\">SUCCEEDED</span>"));
            assert!(part.contains("<span class=\"diff-new\">COMPLETED</span>"));
            assert!(part.contains(">0-17233</a>"));
        }
    }
}

#[test]
fn of_letters_whose_outcome_is_not_known_a_redrive_says_how_many_there_are() {
    for html in rendered_of("redrive.large.json") {
        assert!(html.contains("data-field=\"open\">20,000<") && !html.contains("id=\"act-publish\""));
        assert!(html.contains("data-follow"));
    }
    for html in rendered_of("redrive.over.json") {
        assert!(html.contains("data-field=\"open\">0<") && !html.contains("data-follow"));
    }
}

#[test]
fn a_redrive_that_waits_names_those_that_it_waits_for() {
    for sample in ["redrive.waits.json", "redrive_rehearsal.running.json"] {
        for html in rendered_of(sample) {
            let html = html.replace("&#x2f;", "/");
            assert!(html.contains("href=\"/ui/dead-letters/redrives/6\""), "{sample}");
        }
    }
    for html in rendered_of("ops_jobs.json") {
        let html = html.replace("&#x2f;", "/");
        assert!(html.contains("/redrives/8\"") && !html.contains("its turn"));
    }
}

#[test]
fn a_redrive_is_under_way_while_it_is_not_known_of_a_letter_what_it_came_to() {
    let under_way = [
        "Published, and not all known to be back yet",
        "발행했고, 아직 다 돌아온 것으로 확인되지 않음",
    ];
    let is_under_way = |html: &str| under_way.iter().any(|words| html.contains(words));
    for html in rendered_of("redrive.large.json") {
        assert!(is_under_way(&html) && !html.contains("id=\"act-publish\""));
        assert!(html.contains("not known any more") || html.contains("더 이상 알 수 없음"));
    }
    for html in rendered_of("redrive.over.json") {
        assert!(!is_under_way(&html));
    }
}

#[test]
fn a_step_of_the_overview_leads_to_sagas_of_the_type_that_was_asked_for() {
    let path = samples()
        .into_iter()
        .find(|path| name_of(path) == "overview.json");
    let mut data = data(&path.unwrap(), "en");
    data["overview"]["sagaType"] = "ORDER_CREATION".into();
    let html = templates().render("overview.html", &bound(&data["page"], "en"), &data);
    let html = html.unwrap();
    let (_, table) = html.split_once("<h2 id=\"worst-title\"").unwrap();
    let table = table.split("</table>").next().unwrap();
    let links: Vec<&str> = table.split("href=\"").skip(1).collect();
    assert!(!links.is_empty());
    for link in links {
        let address = link.split('"').next().unwrap();
        assert!(address.contains("sagaType=ORDER_CREATION"), "{address}");
    }
}

/// What no search lists is no link.
#[test]
fn the_sagas_that_failed_within_an_hour_are_no_link_to_those_that_are_failed_now() {
    for html in rendered_of("overview.json") {
        let (before, _) = html.split_once("data-live=\"failedPerHour\"").unwrap();
        assert!(before.rfind("</a>") > before.rfind("<a "));
    }
}

#[test]
fn free_disk_is_said_in_the_language_of_the_page() {
    for html in rendered_of("ops_health.json") {
        let (_, row) = html.split_once("<code>diskSpace</code>").unwrap();
        let row = row.split("</tr>").next().unwrap();
        assert!(row.contains("GiB"));
        assert_eq!(row.contains("비어 있음"), html.contains("<html lang=\"ko\""));
    }
}

#[test]
fn where_no_script_runs_the_command_names_the_saga() {
    for (sample, command) in [
        ("saga.json", "saga-tracker set-status --expected "),
        ("saga_purged.json", "saga-tracker archive restore --reason "),
    ] {
        for html in rendered_of(sample) {
            let (_, line) = html.split_once(command).unwrap();
            let line = line.split("</code>").next().unwrap();
            assert!(line.contains("ORD-"), "{line}");
        }
    }
}

#[test]
fn of_a_saga_that_is_too_long_the_view_says_what_it_leaves_out() {
    let says = |html: &str| html.contains("more than 2,000 deliveries") || html.contains("2,000회를 넘는");
    for html in rendered_of("saga.long.json") {
        assert!(says(&html));
    }
    for html in rendered_of("saga.json") {
        assert!(!says(&html));
    }
}

#[test]
fn a_rehearsal_sums_what_was_refused() {
    for html in rendered_of("redrive_rehearsal.json") {
        let (_, summary) = html.split_once("id=\"summary-title\"").unwrap();
        let summary = summary.split("</table>").next().unwrap();
        assert!(summary.contains(">Refused<") || summary.contains(">거부됨<"));
        assert!(!summary.contains(">Nothing to do<") && !summary.contains(">할 일 없음<"));
    }
}

#[test]
fn a_cell_of_a_search_narrows_it_unless_it_does_already() {
    for html in rendered_of("search.json") {
        let html = html.replace("&#x2f;", "/");
        let (_, rows) = html.split_once("<tbody>").unwrap();
        let rows = rows.split("</tbody>").next().unwrap();
        let narrowing: Vec<&str> = rows.split("href=\"/ui/search?").skip(1).collect();
        assert!(!narrowing.is_empty());
        for address in narrowing {
            let address = address.split('"').next().unwrap();
            assert_eq!(address.matches("status=").count(), 1, "{address}");
            assert_eq!(address.matches("step=").count(), 2, "{address}");
            assert!(!address.contains("page="), "{address}");
        }
        assert!(rows.contains("class=\"quiet copy-id needs-script\""));
    }
}
