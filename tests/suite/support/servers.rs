//! File servers that none of us wrote, run as programs.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::program::eventually;

/// A server that stops when it is dropped.
pub struct Server {
    child: Child,
    port: u16,
    _config: Option<TempDir>,
}

impl Server {
    /// Python's own: it knows no ranges and no validators.
    pub fn python(root: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new("python3");
        command
            .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(root)
            .arg(port.to_string());
        Self::start(command, port, None)
    }

    /// nginx: ranges, ETags, `If-Range`.
    pub fn nginx(root: &Path) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("nginx.conf");
        fs::write(&config, nginx_config(root, folder.path(), port)).unwrap();
        let mut command = Command::new("nginx");
        command
            .env(
                "PATH",
                "/usr/sbin:/usr/local/sbin:/usr/bin:/bin:/opt/homebrew/bin",
            )
            .args(["-e", "stderr", "-c"])
            .arg(&config);
        Self::start(command, port, Some(folder))
    }

    fn start(mut command: Command, port: u16, config: Option<TempDir>) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|why| panic!("{command:?}: {why}"));
        eventually("the server listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            child,
            port,
            _config: config,
        }
    }

    /// The URL of a file below the root.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx takes its workers along when it is asked to end, and not when it is killed.
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn nginx_config(root: &Path, folder: &Path, port: u16) -> String {
    let (root, folder) = (root.display(), folder.display());
    format!(
        "daemon off; user root; pid {folder}/pid; worker_processes 1; error_log stderr;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            server {{ listen 127.0.0.1:{port}; root {root}; }}
        }}"
    )
}
