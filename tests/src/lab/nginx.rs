//! nginx on a host, with one page that says the host's name, and whatever `nginx.d` in its folder has.

use std::net::IpAddr;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};

use super::host::Host;
use super::process::Process;
use super::{http, wait};

/// A web server takes milliseconds to start and to stop; a busy machine may need longer.
const LIMIT: Duration = Duration::from_secs(10);

/// A running nginx.
pub struct Nginx(Process);

impl Nginx {
    /// Starts it on port 80 of every address, IPv4 and IPv6, and waits until it answers.
    pub fn start(host: &Host) -> Result<Nginx> {
        let folder = host.folder().display();
        let config = host.write("nginx.conf", &config(host.name(), &folder.to_string()))?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(config).arg("-p").arg(host.folder()).args(["-e", "stderr"]);
        let nginx = Nginx(host.spawn("nginx", &mut command)?);
        let own = IpAddr::V4(host.address());
        wait::until("nginx to answer", LIMIT, || http::get(host, own, LIMIT).is_ok())
            .with_context(|| format!("nginx on {}: {}", host.name(), nginx.0.log()))?;
        Ok(nginx)
    }

    /// Stops it at once; connections are cut.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.0.stop(LIMIT)
    }
}

/// The worker comes before whatever else the machine does, for a page that is late looks like one that is missing.
/// Everything that nginx would put under /var goes to the host's folder.
fn config(name: &str, folder: &str) -> String {
    format!(
        "daemon off;\n\
         user root;\n\
         worker_processes 1;\n\
         worker_priority -10;\n\
         pid {folder}/nginx.pid;\n\
         error_log stderr warn;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         \x20   access_log off;\n\
         \x20   client_body_temp_path {folder}/body;\n\
         \x20   proxy_temp_path {folder}/proxy;\n\
         \x20   fastcgi_temp_path {folder}/fastcgi;\n\
         \x20   uwsgi_temp_path {folder}/uwsgi;\n\
         \x20   scgi_temp_path {folder}/scgi;\n\
         \x20   default_type text/plain;\n\
         \x20   server {{\n\
         \x20       listen 80;\n\
         \x20       listen [::]:80 ipv6only=on;\n\
         \x20       location / {{ return 200 \"{name}\\n\"; }}\n\
         \x20       include {folder}/nginx.d/*.conf;\n\
         \x20   }}\n\
         }}\n"
    )
}
