//! How somebody wants to see the page: language, zone, theme, density, keys. Kept in one cookie, by the browser alone.

use super::address::{self, Params};
use super::texts::LANGUAGES;
use super::times;
use axum::http::{HeaderMap, HeaderValue, header};

/// The cookie that keeps it.
const COOKIE: &str = "saga-tracker-look";
/// For how long, seconds: a year.
const KEPT_SECONDS: u32 = 31_536_000;

/// How somebody wants to see the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Preferences {
    pub(super) lang: &'static str,
    pub(super) zone: String,
    pub(super) theme: &'static str,
    pub(super) density: &'static str,
    pub(super) keys: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            lang: LANGUAGES[0],
            zone: times::OF_THE_BROWSER.to_owned(),
            theme: "auto",
            density: "dense",
            keys: true,
        }
    }
}

impl Preferences {
    /// As the address says, else as the cookie says, else as the browser asks for.
    pub(super) fn of(headers: &HeaderMap, params: &Params) -> Self {
        let mut look = Self::default();
        if let Some(lang) = accepted(headers) {
            look.lang = lang;
        }
        look.take(&address::params_of(&kept(headers)));
        look.take(params);
        look
    }

    /// What of the parameters is a choice that there is.
    fn take(&mut self, params: &Params) {
        for (name, values) in params {
            let Some(value) = values.first() else { continue };
            match name.as_str() {
                "lang" => choose(&mut self.lang, &LANGUAGES, value),
                "theme" => choose(&mut self.theme, &["auto", "light", "dark"], value),
                "density" => choose(&mut self.density, &["dense", "comfortable"], value),
                "keys" => self.keys = value != "off",
                "zone" if times::is_zone(value) => self.zone.clone_from(value),
                _ => {}
            }
        }
    }

    /// The header that has the browser keep it for what is under this path.
    pub(super) fn cookie(&self, base: &str) -> Option<HeaderValue> {
        let keys = if self.keys { "on" } else { "off" };
        let said = address::query([
            ("lang", self.lang),
            ("zone", &self.zone),
            ("theme", self.theme),
            ("density", self.density),
            ("keys", keys),
        ]);
        let said = said.trim_start_matches('?');
        let path = if base.is_empty() { "/" } else { base };
        let text = format!("{COOKIE}={said}; Path={path}; Max-Age={KEPT_SECONDS}; SameSite=Lax; HttpOnly");
        HeaderValue::from_str(&text).ok()
    }
}

fn choose(of: &mut &'static str, choices: &[&'static str], value: &str) {
    if let Some(choice) = choices.iter().find(|choice| **choice == value) {
        *of = choice;
    }
}

/// What the cookie says; nothing without one.
fn kept(headers: &HeaderMap) -> String {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let texts = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).map(str::trim);
    pairs
        .find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='))
        .unwrap_or_default()
        .to_owned()
}

/// The language that the browser likes best of those that there are.
fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let asked = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut best: Option<(f32, &'static str)> = None;
    for range in asked.split(',') {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let quality = parts
            .find_map(|part| part.trim().strip_prefix("q="))
            .map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        let primary = tag.split('-').next().unwrap_or_default();
        let known = LANGUAGES.into_iter().find(|language| *language == primary);
        if let Some(language) = known
            && quality > best.map_or(0.0, |(best, _)| best)
        {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_address_says_more_than_the_cookie_and_that_more_than_the_browser() {
        let asked = headers(&[(header::ACCEPT_LANGUAGE, "fr, ko-KR;q=0.9, en;q=0.8")]);
        assert_eq!(Preferences::of(&asked, &Params::new()).lang, "ko");
        let chosen = headers(&[
            (header::ACCEPT_LANGUAGE, "ko"),
            (
                header::COOKIE,
                "a=b; saga-tracker-look=lang=en&zone=Asia%2FSeoul&theme=dark&keys=off",
            ),
        ]);
        let look = Preferences::of(&chosen, &Params::new());
        assert_eq!(
            (look.lang, look.zone.as_str(), look.theme, look.keys),
            ("en", "Asia/Seoul", "dark", false)
        );
        let look = Preferences::of(
            &chosen,
            &address::params_of("lang=ko&theme=purple&zone=Moon%2FBase"),
        );
        assert_eq!(
            (look.lang, look.zone.as_str(), look.theme),
            ("ko", "Asia/Seoul", "dark")
        );
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let look = Preferences {
            lang: "ko",
            zone: "Asia/Seoul".to_owned(),
            theme: "dark",
            density: "comfortable",
            keys: false,
        };
        let cookie = look.cookie("/tracker").unwrap();
        let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
        assert!(
            rest.contains("Path=/tracker;") && rest.contains("HttpOnly") && rest.contains("SameSite=Lax")
        );
        assert_eq!(
            Preferences::of(&headers(&[(header::COOKIE, pair)]), &Params::new()),
            look
        );
    }
}
