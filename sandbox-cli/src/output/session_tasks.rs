//! The tasks of a session as a table.

use sandbox_core::Exit;
use sandbox_core::session::task::{TaskInfo, TaskState};

use super::session_table::{Cell, age, plain, table};
use super::style::{BAD, FAIR, GOOD};

/// The tasks as a table.
pub(crate) fn list(tasks: &[TaskInfo]) -> String {
    let row = |task: &TaskInfo| {
        [
            plain(task.id.to_string()),
            state(task.state),
            plain(age(task.started)),
            plain(task.output.to_string()),
            // It is quoted where it was made.
            plain(task.command.as_str()),
        ]
    };
    table(["ID", "STATE", "AGE", "OUTPUT", "COMMAND"], &tasks.iter().map(row).collect::<Vec<_>>())
}

fn state(state: TaskState) -> Cell {
    match state {
        TaskState::Running => (GOOD, "running".into()),
        TaskState::Exited(exit) if exit.success() => plain("exited 0"),
        TaskState::Exited(exit) => (FAIR, ended(exit)),
        _ => (BAD, "lost".into()),
    }
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::TimedOut => "timed out".into(),
        Exit::OutOfMemory => "out of memory".into(),
        _ => "killed".into(),
    }
}

#[cfg(test)]
mod tests {
    use sandbox_core::exec::KillReason;

    use super::*;

    #[test]
    fn a_task_is_a_row() {
        let text = r#"[{"id":"t1","command":"sleep 60","state":"running","started":0,"ended":null,
            "output":0,"truncated":false,"terminal":null}]"#;
        let shown = list(&serde_json::from_str::<Vec<TaskInfo>>(text).unwrap());
        let shown = anstream::adapter::strip_str(&shown).to_string();
        let row: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!((row[0], row[1], &row[3..]), ("t1", "running", &["0", "sleep", "60"][..]));
    }

    #[test]
    fn an_end_is_told_in_words() {
        for (exit, text) in [
            (Exit::Code(3), "exited 3"),
            (Exit::Signal(15), "signal 15"),
            (Exit::TimedOut, "timed out"),
            (Exit::OutOfMemory, "out of memory"),
            (Exit::Killed(KillReason::Requested), "killed"),
        ] {
            assert_eq!(ended(exit), text);
        }
    }
}
