//! nginx, which the broker is compared with: it serves a folder and takes files by PUT.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::process::{free_addresses, processor_seconds};

/// An nginx. It is told to stop, by the id of its own process, when this is dropped.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers would outlive a master that is killed.
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Nginx {
    /// Serves what is in the folder `files` of this folder, which may hold nothing else of interest.
    pub(crate) fn start(folder: &Path, workers: usize) -> Self {
        let [address] = free_addresses();
        fs::create_dir_all(folder.join("files")).unwrap();
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration(folder, address, workers)).unwrap();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(folder.join("errors"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx is to compare with: install the Debian package nginx");
        let mut nginx = Self { child, address };
        while TcpStream::connect(address).is_err() {
            let ended = nginx.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(folder.join("errors")).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(1));
        }
        nginx
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Seconds of processor time that it and its workers have taken so far.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let master = self.child.id();
        let workers = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        let workers = workers.split_whitespace().map(|id| processor_seconds(id.parse().unwrap()));
        processor_seconds(master) + workers.sum::<f64>()
    }
}

/// As it comes, but for a buffer of the size that the broker gathers, and no log of requests.
fn configuration(folder: &Path, address: SocketAddr, workers: usize) -> String {
    let folder = folder.display();
    // Started by root it would change to a user that cannot enter the folder.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let elsewhere: String = ["proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {folder}/temporary-{kind};\n"))
        .collect();
    format!(
        "daemon off;\npid {folder}/pid;\nworker_processes {workers};\n{user}\nevents {{}}\nhttp {{\n{elsewhere}\
         \x20 access_log off;\n  sendfile on;\n  client_max_body_size 0;\n  client_body_buffer_size 256k;\n\
         \x20 client_body_temp_path {folder}/temporary;\n\
         \x20 server {{\n    listen {address};\n    root {folder}/files;\n    location / {{ dav_methods PUT; }}\n  }}\n}}\n"
    )
}
