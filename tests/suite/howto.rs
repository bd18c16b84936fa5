//! The pages below `docs/how-to`: each command runs, and says what the page
//! says that it says.
//!
//! In a `console` block, `$ ` begins a command, `> ` goes on with it, and every
//! other line has to be in what it prints; `…` stands for anything. Commands of one page share a folder and what it exports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use modelferry_fixtures::{Content, Hub, Repo, Scene};

use crate::storage::s3::Server;
use crate::support::proxy::Proxy;
use crate::support::{Home, Running};

/// One command of a page, and what the page says of it.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if !inside {
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                expected: Vec::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("> ") {
                Some(more) if step.expected.is_empty() => {
                    step.command.push('\n');
                    step.command.push_str(more);
                }
                _ => step.expected.push(line.trim().to_owned()),
            }
        }
    }
    steps
}

/// Whether a line has these pieces, parted by `…`, in this order. How many
/// blanks stand between words is left to the program.
fn fits(line: &str, wanted: &str) -> bool {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, wanted) = (spaced(line), spaced(wanted));
    let mut rest = line.as_str();
    wanted.split('…').all(|piece| {
        let found = rest.find(piece.trim());
        if let Some(at) = found {
            rest = &rest[at + piece.trim().len()..];
        }
        found.is_some()
    })
}

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to")
}

/// A reader's terminal: a folder, variables, and the program on its path.
struct Reader {
    home: Home,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Reader {
    fn new(home: Home) -> Self {
        let folder = home.beside("here");
        fs::create_dir_all(folder.join("bin")).unwrap();
        let program = env!("CARGO_BIN_EXE_modelferry");
        std::os::unix::fs::symlink(program, folder.join("bin/modelferry")).unwrap();
        Self {
            home,
            folder,
            variables: BTreeMap::new(),
        }
    }

    fn follow(&mut self, name: &str) {
        let page = fs::read_to_string(pages().join(name)).unwrap();
        let steps = steps(&page);
        assert!(!steps.is_empty(), "{name} has no command");
        for step in steps {
            match step.command.strip_prefix("export ") {
                Some(set) => {
                    let (variable, value) = set.split_once('=').unwrap();
                    let value = self.here(variable).unwrap_or_else(|| value.to_owned());
                    self.variables.insert(variable.to_owned(), value);
                }
                None => self.run(name, &step),
            }
        }
    }

    /// What stands in the place of an address of the page's own.
    fn here(&self, variable: &str) -> Option<String> {
        self.variables.get(&format!("HERE_{variable}")).cloned()
    }

    fn run(&self, name: &str, step: &Step) {
        let like = self.home.command(&[]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &step.command])
            .current_dir(&self.folder)
            .env_clear()
            .envs(
                like.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .envs(&self.variables)
            .env(
                "PATH",
                format!("{}/bin:/usr/bin:/bin", self.folder.display()),
            )
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let ran = Running::start(command).ended();
        assert_eq!(ran.status, Some(0), "{name}: {}\n{ran:?}", step.command);
        let said = format!("{}\n{}", ran.stderr, ran.stdout);
        for wanted in step.expected.iter().filter(|wanted| *wanted != "…") {
            let wanted = match (
                self.here("MODELFERRY_PROXY"),
                wanted.contains("proxy.example"),
            ) {
                (Some(proxy), true) => wanted.replace("http://proxy.example:3128", &proxy),
                _ => wanted.clone(),
            };
            assert!(
                said.lines().any(|line| fits(line, &wanted)),
                "{name}: {} does not say\n{wanted}\nbut\n{said}",
                step.command
            );
        }
    }
}

async fn standard() -> Hub {
    Hub::start(Scene::standard()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_civitai_list_for_comfyui() {
    let hub = standard().await;
    Reader::new(Home::of(&hub)).follow("civitai-list-comfyui.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn gated_models() {
    let hub = standard().await;
    let mut reader = Reader::new(Home::of(&hub));
    fs::write(reader.folder.join("token.txt"), "hf_good\n").unwrap();
    reader.follow("gated-models.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy() {
    let hub = standard().await;
    let proxy = Proxy::start();
    let mut reader = Reader::new(Home::of(&hub));
    let here = "HERE_MODELFERRY_PROXY".to_owned();
    reader.variables.insert(here, proxy.url());
    reader.follow("behind-a-proxy.md");
    assert!(proxy.asked() > 3, "the proxy was asked {}", proxy.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_from_scripts() {
    let hub = standard().await;
    Reader::new(Home::of(&hub)).follow("move-from-scripts.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_materials() {
    let hub = standard().await;
    Reader::new(Home::of(&hub)).follow("bill-of-materials.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_in_a_bucket() {
    let scene = ["ferry", "dinghy"].iter().zip(1..);
    let scene = scene.fold(Scene::empty(), |scene, (name, seed)| {
        let content = Content::safetensors(seed, 50_000);
        let repo = Repo::model(&format!("harbour/{name}"));
        scene.repo(repo.lfs("model.safetensors", content))
    });
    let hub = Hub::start(scene).await.unwrap();
    let server = Server::start().await;
    let address = server.place("models");
    let home = address
        .variables
        .iter()
        .fold(Home::of(&hub), |home, (name, value)| home.with(name, value));
    Reader::new(home).follow("mirror-huggingface-org.md");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme() {
    let hub = standard().await;
    Reader::new(Home::of(&hub)).follow("../../README.md");
}

/// A page that is not followed here would not be kept true.
#[test]
fn every_page_is_followed() {
    let here = include_str!("howto.rs");
    for page in fs::read_dir(pages()).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        let follows = here.contains(&format!("follow(\"{name}\")"));
        assert!(follows || name == "README.md", "nobody follows {name}");
    }
}

#[test]
fn a_page_is_read_as_commands_and_what_they_say() {
    let page =
        "text\n```console\n$ cat <<'END'\n> a\n> END\na …\n$ b\n```\n```sh\n$ not this\n```\n";
    let step = |command: &str, expected: &[&str]| Step {
        command: command.to_owned(),
        expected: expected.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(
        steps(page),
        [step("cat <<'END'\na\nEND", &["a …"]), step("b", &[])]
    );
    assert!(fits(
        "imported  acme/tiny  5 files",
        "imported  acme/tiny  …"
    ));
    assert!(fits("  hint: do", "…hint: …"));
    assert!(!fits("imported acme", "failed …"));
}
