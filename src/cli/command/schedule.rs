//! The `schedule` command: prints a unit for the nightly job, ready to install.

use std::process::ExitCode;

use crate::{
    base::{Error, Result},
    cli::{
        args::{RootArgs, ScheduleArgs, Scheduler},
        resolve, say,
    },
};

pub(super) fn run(root: &RootArgs, args: &ScheduleArgs) -> Result<ExitCode> {
    let location = resolve::location(root);
    let local = !location.contains("://");
    // A scheduler starts the job in a folder of its own, so the path must be absolute.
    let location = if local {
        let path = std::path::absolute(location).map_err(|error| Error::io(location, error))?;
        path.display().to_string()
    } else {
        location.to_owned()
    };
    let program = std::env::current_exe().map_err(|error| Error::io("this program", error))?;
    let program = program.display().to_string();
    say(match args.scheduler {
        Scheduler::Systemd => systemd(&program, &location),
        Scheduler::Cron => cron(&program, &location),
        Scheduler::Kubernetes => kubernetes(&location, local),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn systemd(program: &str, root: &str) -> String {
    let (program, root) = (systemd_word(program), systemd_word(root));
    format!(
        "\
# /etc/systemd/system/tallybook-rollup.service
[Unit]
Description=Tallybook: build the segments of finished days, delete what they replaced
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={program} --root {root} nightly
# Store credentials, if the root needs any.
EnvironmentFile=-/etc/tallybook.env

# /etc/systemd/system/tallybook-rollup.timer
[Unit]
Description=Tallybook: every night at 1 AM UTC

[Timer]
OnCalendar=*-*-* 01:00:00 UTC
# A night that the machine slept through is made up for.
Persistent=true

[Install]
WantedBy=timers.target

# Then: systemctl enable --now tallybook-rollup.timer"
    )
}

fn cron(program: &str, root: &str) -> String {
    let tallybook = format!("{} --root {}", cron_word(program), cron_word(root));
    format!(
        "# crontab -e; the job finds by itself what earlier nights missed.\nCRON_TZ=UTC\n0 1 * * * {tallybook} nightly"
    )
}

fn kubernetes(root: &str, local: bool) -> String {
    let root = json_word(root);
    let (mounts, volumes) = if local {
        let mounts = format!(
            "
              volumeMounts:
                - name: root
                  mountPath: {root}"
        );
        let volumes = "
          volumes:
            - name: root
              persistentVolumeClaim:
                claimName: tallybook";
        (mounts, volumes)
    } else {
        let secrets = "
              envFrom:
                - secretRef:
                    name: tallybook-store
                    optional: true";
        (secrets.to_owned(), "")
    };
    format!(
        "\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: tallybook-rollup
spec:
  schedule: \"0 1 * * *\"
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      backoffLimit: 3
      template:
        spec:
          restartPolicy: OnFailure
          containers:
            # Your image with the program in it.
            - name: nightly
              image: tallybook
              args: [\"--root\", {root}, \"nightly\"]{mounts}{volumes}"
    )
}

/// The word in double quotes. Characters with a meaning for systemd are doubled or escaped.
fn systemd_word(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$"))
}

/// The word in single quotes for the shell. `%` is escaped, because cron itself would end the
/// line at a bare one.
fn cron_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''").replace('%', "\\%"))
}

/// The word as a JSON string, which YAML can read.
fn json_word(word: &str) -> String {
    serde_json::Value::from(word).to_string()
}
