//! Lists of somebody's own: in a file, or behind a URL.

use std::fs;

use modelferry_fixtures::{Content, Hub, PlainFile};

use super::{add, assert_counts, assert_refused, author_of, dry_run, run, sources, written};
use crate::support::{Home, hub};

const LINES: &[u8] = b"# a fleet\nacme/m0\nacme/m1@main\nacme/m0\n";

#[test]
fn a_list_in_a_file_is_read_at_each_run() {
    let hub = hub(author_of(3));
    let home = Home::of(&hub);
    let list = written(&home, "fleet.txt", b"# a fleet\nacme/m0\nacme/m1\n");
    let made = add(&home, "fleet", &list, &[]);
    assert_eq!(
        (&made["listing"], &made["source"]),
        (&"list".into(), &list.as_str().into())
    );
    assert_counts(&run(&home, "fleet"), &[("seen", 2), ("new", 2)]);
    fs::write(&list, "acme/m1\nacme/m2\n").unwrap();
    let second = run(&home, "fleet");
    assert_counts(
        &second,
        &[("seen", 2), ("new", 1), ("unchanged", 1), ("missing", 1)],
    );
    assert_eq!(sources(&second, "missing"), ["acme/m0"]);
}

#[test]
fn a_bad_line_fails_by_its_number_and_stops_no_other() {
    let hub = hub(author_of(2));
    let home = Home::of(&hub);
    let list = written(&home, "fleet.txt", b"acme/m0\nno source!\nacme/m1\n");
    add(&home, "fleet", &list, &[]);
    let run = run(&home, "fleet");
    assert_counts(&run, &[("seen", 3), ("new", 2), ("failed", 1)]);
    let error = &run["difference"]["failed"][0]["error"];
    assert_eq!(error["code"], "invalid_source");
    assert!(
        error["message"].as_str().unwrap().starts_with("line 2: "),
        "{error}"
    );
}

#[test]
fn a_table_chooses_for_each_source() {
    let hub = hub(author_of(2));
    let home = Home::of(&hub);
    let table = "source,kind,include\nacme/m0,model,*.safetensors\nacme/m1,,\n";
    let list = written(&home, "fleet.csv", table.as_bytes());
    add(&home, "fleet", &format!("list:{list}"), &[]);
    assert_counts(&run(&home, "fleet"), &[("seen", 2), ("new", 2)]);
    assert_counts(&run(&home, "fleet"), &[("seen", 2), ("unchanged", 2)]);
}

#[test]
fn a_relative_path_is_meant_from_where_the_sync_is_made() {
    let home = Home::alone();
    let folder = home.beside("lists");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("fleet.txt"), LINES).unwrap();
    let words = [
        "sync",
        "add",
        "--json",
        "fleet",
        "./fleet.txt",
        "--cron",
        "@daily",
    ];
    let mut command = home.command(&words);
    command.current_dir(&folder);
    let made = crate::support::Running::start(command).ended().one_line();
    let path = folder.join("fleet.txt").display().to_string();
    assert_eq!(made["source"], path.as_str());
}

/// A hub that also serves a list at this path.
fn serving(path: &str, list: &str) -> Hub {
    let hub = hub(author_of(3));
    serve(&hub, path, list);
    hub
}

fn serve(hub: &Hub, path: &str, list: &str) {
    let file = PlainFile::new(path, Content::bytes(list.to_owned()));
    hub.change_scene(|scene| {
        scene.files.retain(|held| held.path != file.path);
        scene.files.push(file);
    });
}

#[test]
fn a_list_behind_a_url_is_fetched_at_each_run() {
    for (path, list) in [
        ("/fleet.txt", "acme/m0\nacme/m1\n"),
        ("/fleet.csv", "source\nacme/m0\nacme/m1\n"),
        (
            "/fleet.jsonl",
            "{\"source\":\"acme/m0\"}\n{\"source\":\"acme/m1\"}\n",
        ),
    ] {
        let hub = serving(path, list);
        let home = Home::of(&hub);
        let url = format!("{}{path}", hub.files_url());
        let made = add(&home, "fleet", &url, &[]);
        assert_eq!(made["listing"], "list", "{path}");
        assert_counts(&run(&home, "fleet"), &[("seen", 2), ("new", 2)]);
        serve(&hub, path, &list.replace("m1", "m2"));
        let expected = [("seen", 2), ("new", 1), ("unchanged", 1), ("missing", 1)];
        assert_counts(&dry_run(&home, "fleet"), &expected);
    }
}

#[test]
fn a_lists_url_may_sign_and_its_query_is_not_shown() {
    let hub = serving("/fleet", "acme/m0\n");
    let home = Home::of(&hub);
    let url = format!("list:{}/fleet?sig=s3cret", hub.files_url());
    let made = add(&home, "fleet", &url, &[]);
    assert_eq!(made["source"], format!("{}/fleet", hub.files_url()));
    let ran = home.succeed(&["-v", "sync", "run", "fleet"]);
    assert!(ran.stdout.contains("1 new"), "{ran:?}");
    let shown = home.succeed(&["sync", "show", "fleet"]);
    for text in [ran.all_text(), shown.all_text()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_list_that_is_none_fails_the_run_and_says_why() {
    let hub = serving("/page.txt", "<!DOCTYPE html><title>Sign in</title>");
    let home = Home::of(&hub);
    add(&home, "page", &format!("{}/page.txt", hub.files_url()), &[]);
    let nul = written(&home, "nul.txt", b"acme/m0\nacme/\0m1\n");
    add(&home, "nul", &nul, &[]);
    let huge = written(&home, "huge.txt", b"");
    fs::File::options()
        .write(true)
        .open(&huge)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    add(&home, "huge", &huge, &[]);
    add(
        &home,
        "gone",
        &home.beside("none.txt").display().to_string(),
        &[],
    );
    let header = written(&home, "header.csv", b"url\nacme/m0\n");
    add(&home, "header", &header, &[]);
    for (name, code) in [
        ("page", "html_instead_of_file"),
        ("nul", "invalid_request"),
        ("huge", "too_large"),
        ("gone", "invalid_request"),
        ("header", "invalid_request"),
    ] {
        let ran = home.run(&["sync", "run", "--json", name]);
        assert_eq!(ran.status, Some(1), "{name}: {ran:?}");
        let run = &ran.one_line()["run"];
        assert_eq!(run["status"], "failed", "{name}: {run:#}");
        assert_eq!(run["error"]["code"], code, "{name}: {run:#}");
    }
    assert_eq!(home.blobs().len(), 0);
}

#[test]
fn a_list_at_an_address_that_is_not_public_is_refused_at_once() {
    let home = Home::alone().with("MODELFERRY_ALLOW_NETS", "");
    for url in [
        "http://127.0.0.1:8080/fleet.txt",
        "list:http://10.0.0.1/fleet",
    ] {
        let ran = home.run(&["sync", "add", "--json", "x", url, "--cron", "@daily"]);
        assert_refused(&ran, "blocked_address", "not a public");
    }
    assert!(!home.path().exists(), "nothing is half done");
}
