//! `Link: <…>; rel="next"`: where the next page of a list is.

use sluice_http_client::{HeaderMap, Url, header};

/// The next page after `page`, if the registry names one. An address outside of the page's own host and path is not followed: a list is
/// no way to send a client, with its credentials, elsewhere.
pub(crate) fn next_page(page: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get_all(header::LINK).into_iter().filter_map(|value| value.to_str().ok());
    let target = links.flat_map(|link| link.split(',')).find_map(next_target)?;
    let next = page.join(target).ok()?;
    let stays = next.origin() == page.origin() && next.path() == page.path() && next.username().is_empty();
    (stays && next.password().is_none()).then_some(next)
}

fn next_target(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| {
        let (name, value) = parameter.trim().split_once('=').unwrap_or_default();
        name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
    });
    is_next.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_and_stays_where_the_list_is() {
        let page = Url::parse("https://reg.example/v2/app/tags/list?n=2").unwrap();
        for (link, expected) in [
            ("</v2/app/tags/list?last=b&n=2>; rel=\"next\"", Some("https://reg.example/v2/app/tags/list?last=b&n=2")),
            (
                "<https://reg.example/v2/app/tags/list?last=b>;rel=next",
                Some("https://reg.example/v2/app/tags/list?last=b"),
            ),
            ("<?last=b>; title=x; rel=\"next\"", Some("https://reg.example/v2/app/tags/list?last=b")),
            (
                "</first>; rel=\"first\", </v2/app/tags/list?last=c>; rel=\"next\"",
                Some("https://reg.example/v2/app/tags/list?last=c"),
            ),
            ("</v2/app/tags/list?last=b>; rel=\"prev\"", None),
            ("<https://evil.example/v2/app/tags/list>; rel=\"next\"", None),
            ("<http://reg.example/v2/app/tags/list>; rel=\"next\"", None),
            ("<https://u:p@reg.example/v2/app/tags/list>; rel=\"next\"", None),
            ("</v2/other/tags/list>; rel=\"next\"", None),
            ("/v2/app/tags/list; rel=next", None),
            ("<unclosed", None),
        ] {
            let headers = HeaderMap::from_iter([(header::LINK, link.parse().unwrap())]);
            assert_eq!(next_page(&page, &headers).as_ref().map(Url::as_str), expected, "{link}");
        }
    }
}
