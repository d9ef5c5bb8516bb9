//! The environment as a store: `A_B` is `/a/b`. It does not change while we run, so following it is waiting.

use super::follow::Feed;
use super::live::set;
use super::prefixes::Prefixes;
use crate::render::keys::Keys;

/// The environment as it is at and below `prefixes`.
pub(super) fn read(prefixes: &Prefixes) -> Keys {
    let variables = std::env::vars_os().map(|(name, value)| {
        use std::os::unix::ffi::OsStringExt as _;
        (name.into_vec(), value.into_vec())
    });
    from(variables, prefixes)
}

/// Publishes the environment, once.
pub(super) async fn follow(prefixes: &Prefixes, feed: &mut Feed) -> std::convert::Infallible {
    feed.all("the environment", read(prefixes), 1);
    std::future::pending().await
}

fn from(variables: impl Iterator<Item = (Vec<u8>, Vec<u8>)>, prefixes: &Prefixes) -> Keys {
    let mut keys = Keys::default();
    for (name, value) in variables {
        let Ok(name) = std::str::from_utf8(&name) else { continue };
        let path = format!("/{}", name.replace('_', "/").to_lowercase());
        for prefix in prefixes.iter() {
            let Some(rest) = below(name, prefix) else { continue };
            set(&mut keys, &path, &value);
            // A prefix with an underscore of its own, such as /my_app, is not what its variables map back to.
            set(&mut keys, &format!("{prefix}/{}", rest.replace('_', "/").to_lowercase()), &value);
        }
    }
    keys
}

/// What follows the variable of `prefix` in `name`, if the variable is it or below it.
fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let variable = prefix.trim_start_matches('/').replace('/', "_").to_uppercase();
    if variable.is_empty() {
        return Some(name);
    }
    let rest = name.strip_prefix(variable.as_str())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('_') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(prefixes: &[&str]) -> Vec<(String, String)> {
        let variables = [("A_B", "1"), ("A", "2"), ("A2_C", "3"), ("MY_APP_PORT", "4"), ("OTHER", "5")];
        let variables =
            variables.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let keys = from(variables, &Prefixes::new(prefixes));
        keys.iter().map(|(path, value)| (path.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn variables_are_keys() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(keys(&["/a"]), of(&[("/a", "2"), ("/a/b", "1")]));
        assert_eq!(keys(&["/my_app"]), of(&[("/my/app/port", "4"), ("/my_app/port", "4")]));
        assert_eq!(keys(&["/my/app"]), of(&[("/my/app/port", "4")]));
        assert_eq!(keys(&["/"]).len(), 5);
    }

    #[test]
    fn a_variable_that_is_no_text_is_named() {
        let variables = [(b"A_X".to_vec(), b"\xff".to_vec())].into_iter();
        let keys = from(variables, &Prefixes::new(&["/a"]));
        assert_eq!(keys.unreadable("/").next().unwrap().0, "/a/x");
    }
}
