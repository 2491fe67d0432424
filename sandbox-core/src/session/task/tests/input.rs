//! Standard input: held back, in order, closed.

use super::*;

#[tokio::test]
async fn input_is_held_back_while_the_command_does_not_read() {
    let tasks = tasks();
    let (id, mut command) = start(&tasks);
    let long: Vec<u8> = (0..200).collect();
    let mut read = Vec::new();
    let write = async {
        tasks.write_stdin(id, &long).await.unwrap();
        tasks.close_stdin(id).await.unwrap();
    };
    let reader = async {
        tokio::task::yield_now().await;
        command.stdin.read_to_end(&mut read).await.unwrap();
    };
    tokio::join!(write, reader);
    assert_eq!(read, long);
    let closed = tasks.write_stdin(id, b"x").await.unwrap_err();
    assert_eq!(closed.to_string(), "writing to the task t1: broken pipe");
}

#[tokio::test]
async fn writes_do_not_mix_and_closing_comes_after_them() {
    let tasks = tasks();
    let (id, mut command) = start(&tasks);
    let mut read = String::new();
    let (a, b) = ("a".repeat(100), "b".repeat(100));
    let reader = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        command.stdin.read_to_string(&mut read).await.unwrap();
    };
    let (first, second, closed, ()) = tokio::join!(
        tasks.write_stdin(id, a.as_bytes()),
        tasks.write_stdin(id, b.as_bytes()),
        tasks.close_stdin(id),
        reader
    );
    assert!(first.is_ok() && second.is_ok() && closed.is_ok());
    assert_eq!(read, a + &b);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_task_releases_who_writes_to_it() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    let exit = async {
        sleep(Duration::from_secs(1)).await;
        drop((command.stdout, command.stderr));
        command.process.exit(Exit::Code(0));
        command.stdin
    };
    let (written, mut stdin) = tokio::join!(tasks.write_stdin(id, &[0; 1000]), exit);
    assert_eq!(written.unwrap_err().to_string(), "writing to the task t1: broken pipe");
    let mut left = Vec::new();
    let end = timeout(Duration::from_secs(1), stdin.read_to_end(&mut left)).await;
    assert!(end.is_ok(), "its end of the pipe is still open");
}
