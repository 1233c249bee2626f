//! Which paths are the webhook's at all.

/// All webhooks are below this.
const PREFIX: &str = "/hook/";

/// What to do with a request by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Look the Receiver up.
    Hook,
    /// Not clean: it should come again at this path.
    Redirect(String),
    /// Nothing is there.
    Nowhere,
}

/// Routes by the path as it was sent, without the query.
pub(super) fn route(path: &str) -> Route {
    let clean = clean(path);
    match (clean.starts_with(PREFIX), clean == path) {
        (true, true) => Route::Hook,
        // The clean path begins with `/hook/`, so the redirect cannot lead to another host (as `//host` would).
        (true, false) => Route::Redirect(clean),
        (false, _) => Route::Nowhere,
    }
}

/// The path without empty, `.` and `..` segments; a trailing slash stays.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let slash = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{Route, route};

    #[test]
    fn only_clean_paths_below_hook_are_looked_up() {
        let redirect = |to: &str| Route::Redirect(to.to_owned());
        for (path, expected) in [
            ("/hook/abc", Route::Hook),
            ("/hook/abc/", Route::Hook),
            ("/hook/", Route::Hook),
            ("//hook/abc", redirect("/hook/abc")),
            ("/hook//abc", redirect("/hook/abc")),
            ("/x/../hook/./abc", redirect("/hook/abc")),
            ("/hook/../etc", Route::Nowhere),
            ("/hook", Route::Nowhere),
            ("/", Route::Nowhere),
            ("", Route::Nowhere),
            ("//evil.example/hook/x", Route::Nowhere),
            ("*", Route::Nowhere),
        ] {
            assert_eq!(route(path), expected, "{path:?}");
        }
    }
}
