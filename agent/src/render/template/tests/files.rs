//! Templates in folders, and what they take in from there.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(folder: &tempfile::TempDir, name: &str) -> Result<String, TemplateError> {
    Template::load(folder.path(), name)?.render(&keys(&[("/k", "v")]), &context())
}

#[test]
fn files_take_in_other_files_of_their_folder() {
    let folder = folder(&[
        ("a.tmpl", "<{{include \"sub/b.tmpl\" \"x\"}}>{{include \"c.tmpl\" | indent 1}}"),
        ("sub/b.tmpl", "{{.}}{{getv \"/k\"}}"),
        ("c.tmpl", "{{define \"own\"}}o{{end}}{{template \"own\"}}"),
        ("a.hbs", "<{{> sub/b x=1}}>{{include \"c\" \"d\"}}{{include 'c.hbs' 'e'}}"),
        ("sub/b.hbs", "{{x}}{{getv \"/k\"}}"),
        ("c.hbs", "{{this}}"),
    ]);
    assert_eq!(load(&folder, "a.tmpl").unwrap(), "<xv> o");
    assert_eq!(load(&folder, "a.hbs").unwrap(), "<1v>de");
    let template = Template::load(folder.path(), "a.hbs").unwrap();
    assert_eq!(template.files().len(), 4);
}

#[test]
fn nothing_outside_of_the_folder_is_taken_in() {
    let outside = folder(&[("secret.tmpl", "s"), ("secret.hbs", "s")]);
    let inside = folder(&[
        ("up.tmpl", "{{include \"../secret.tmpl\"}}"),
        ("abs.tmpl", "{{include \"/etc/hostname\"}}"),
        ("link.tmpl", "{{include \"l.tmpl\"}}"),
        ("own.tmpl", "{{include \"o.tmpl\"}}"),
        ("dir.tmpl", "{{include \"d\"}}"),
        ("up.hbs", "{{> ../secret}}"),
        ("link.hbs", "{{> l}}"),
        ("target.tmpl", "t"),
    ]);
    symlink(outside.path().join("secret.tmpl"), inside.path().join("l.tmpl")).unwrap();
    symlink(outside.path().join("secret.hbs"), inside.path().join("l.hbs")).unwrap();
    symlink("target.tmpl", inside.path().join("o.tmpl")).unwrap();
    symlink(outside.path(), inside.path().join("out")).unwrap();
    fs::create_dir(inside.path().join("d")).unwrap();
    nix::unistd::mkfifo(&inside.path().join("pipe.tmpl"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in [
        "up.tmpl",
        "abs.tmpl",
        "link.tmpl",
        "dir.tmpl",
        "up.hbs",
        "link.hbs",
        "out/secret.tmpl",
        "pipe.tmpl",
        "",
    ] {
        let error = load(&inside, name).unwrap_err();
        assert!(matches!(error.fault, Fault::Read(_)), "{name}: {error}");
    }
    assert_eq!(load(&inside, "own.tmpl").unwrap(), "t");
}

#[test]
fn an_error_in_an_included_file_names_that_file() {
    let folder = folder(&[
        ("a.tmpl", "\n\n{{include \"b.tmpl\"}}"),
        ("b.tmpl", "\n{{getv \"/none\"}}"),
        ("c.tmpl", "{{include \"d.tmpl\"}}"),
        ("d.tmpl", "\n{{if}}"),
        ("a.hbs", "\n\n{{> b}}"),
        ("b.hbs", "\n{{getv \"/none\"}}"),
        ("c.hbs", "\n{{> none}}"),
    ]);
    for (name, file, line) in
        [("a.tmpl", "b.tmpl", 2), ("c.tmpl", "d.tmpl", 2), ("a.hbs", "b.hbs", 2), ("c.hbs", "c.hbs", 2)]
    {
        let error = load(&folder, name).unwrap_err();
        assert_eq!((error.file, error.line), (folder.path().join(file), line), "{name}");
    }
}

#[test]
fn a_file_that_includes_itself_ends() {
    let folder = folder(&[
        ("a.tmpl", "{{include \"a.tmpl\"}}"),
        ("b.tmpl", "{{include \"c.tmpl\"}}"),
        ("c.tmpl", "{{include \"b.tmpl\"}}"),
        ("a.hbs", "{{> b}}"),
        ("b.hbs", "{{> c}}"),
        ("c.hbs", "{{> b}}"),
        ("d.hbs", "{{include \"d\"}}"),
    ]);
    for name in ["a.tmpl", "b.tmpl", "a.hbs", "d.hbs"] {
        let error = load(&folder, name).unwrap_err().to_string();
        assert!(error.contains("include"), "{name}: {error}");
    }
}
