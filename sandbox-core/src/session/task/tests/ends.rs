//! Every task ends once, and everybody is told the same.

use super::*;

#[tokio::test]
async fn waiting_before_and_after_the_end_gives_the_same() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    let exit = async {
        tokio::task::yield_now().await;
        command.exit(3);
    };
    let early = tokio::join!(exit_of(&tasks, id), exit_of(&tasks, id), exit);
    assert_eq!(
        (early.0, early.1, exit_of(&tasks, id).await),
        (Exit::Code(3), Exit::Code(3), Exit::Code(3))
    );
}

#[tokio::test]
async fn killing_ends_the_tree_and_is_no_error_afterwards() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    tasks.signal(id, 15).unwrap();
    tasks.kill(id).unwrap();
    drop((command.stdout, command.stderr));
    assert_eq!(exit_of(&tasks, id).await, Exit::Signal(9));
    tasks.kill(id).unwrap();
    tasks.signal(id, 1).unwrap();
    assert_eq!(command.process.kills.load(Ordering::SeqCst), 1, "nothing was left to kill");
    assert_eq!(*command.process.signals.lock().unwrap(), [15]);
}

#[tokio::test]
async fn a_refusal_to_kill_is_told() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    command.process.refuses.store(true, Ordering::SeqCst);
    assert_eq!(tasks.kill(id).unwrap_err().to_string(), "refused");
    assert_eq!(state(&tasks, id), TaskState::Running);
}

#[tokio::test]
async fn what_a_process_holds_is_not_kept_with_its_log() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    let process = Arc::downgrade(&command.process);
    command.exit(0);
    tasks.wait(id).await.unwrap();
    // What followed it lets go of it at the latest when it ends, which is a moment later.
    while process.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&tasks, id), TaskState::Exited(Exit::Code(0)));
}

#[tokio::test]
async fn dropping_the_registry_ends_every_task() {
    let tasks = tasks();
    let (id, one) = start(&tasks);
    let (_, two) = start(&tasks);
    let mut watcher = tasks.watch(id, Start::Now).unwrap();
    drop(tasks);
    for command in [&one, &two] {
        assert_eq!(command.process.kills.load(Ordering::SeqCst), 1);
    }
    drop((one, two));
    assert_eq!(watcher.next().await, None);
}

#[tokio::test]
async fn a_task_that_cannot_be_killed_is_let_go() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    command.process.refuses.store(true, Ordering::SeqCst);
    let process = Arc::downgrade(&command.process);
    let mut watcher = tasks.watch(id, Start::Now).unwrap();
    drop((tasks, command));
    assert_eq!(watcher.next().await, None);
    assert!(process.upgrade().is_none(), "its own guard did not run");
}

#[tokio::test]
async fn ending_all_waits_and_lets_none_start() {
    let tasks = tasks();
    let (one, command) = start(&tasks);
    let streams = async {
        tokio::task::yield_now().await;
        drop((command.stdout, command.stderr));
    };
    tokio::join!(tasks.end_all(), streams);
    assert_eq!(state(&tasks, one), TaskState::Exited(Exit::Signal(9)));
    let (running, late) = super::fake::command(ResourceLimits::default());
    assert!(tasks.start(None, "late", running).is_err());
    assert_eq!(late.process.kills.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_task_that_is_lost_says_why_to_everybody() {
    let tasks = tasks();
    let (id, command) = start(&tasks);
    command.process.lost.store(true, Ordering::SeqCst);
    command.exit(0);
    for _ in 0..2 {
        let error = tasks.wait(id).await.unwrap_err();
        assert_eq!(error.to_string(), "the task t1 was lost: out of sight");
    }
    assert_eq!(state(&tasks, id), TaskState::Lost);
    tasks.remove(id).unwrap();
}

#[test]
fn the_end_of_a_runtime_is_the_end_of_its_tasks() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (tasks, first) = (tasks(), runtime());
    let (id, command) = first.block_on(async { start(&tasks) });
    let mut watcher = tasks.watch(id, Start::Now).unwrap();
    drop(first);
    assert_eq!(command.process.kills.load(Ordering::SeqCst), 1);
    runtime().block_on(async {
        assert_eq!(watcher.next().await, None);
        let error = tasks.wait(id).await.unwrap_err();
        assert!(error.to_string().ends_with("its runtime has ended"), "{error}");
    });
    assert_eq!(state(&tasks, id), TaskState::Lost);
}

/// A thread ends the command while others wait and kill: nobody waits for ever, and all are told
/// the same.
#[test]
fn racing_ends_are_one_end() {
    fn run<F: Future>(work: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }
    for round in 0..300 {
        let tasks = Arc::new(tasks());
        let (sent, started) = std::sync::mpsc::channel();
        let told: Vec<Exit> = std::thread::scope(|scope| {
            let driver = Arc::clone(&tasks);
            let first = scope.spawn(move || {
                run(async {
                    let (id, command) = start(&driver);
                    sent.send((id, Arc::clone(&command.process))).unwrap();
                    drop((command.stdin, command.stdout, command.stderr));
                    exit_of(&driver, id).await
                })
            });
            let (id, process) = started.recv().unwrap();
            let shared = &tasks;
            let wait = |_| scope.spawn(move || run(exit_of(shared, id)));
            let waits: Vec<_> = (0..2).map(wait).collect();
            let kill = scope.spawn(move || shared.kill(id).unwrap());
            scope.spawn(move || {
                let mut watcher = shared.watch(id, Start::Now).unwrap();
                assert_eq!(run(watcher.next()), None);
                assert_ne!(state(shared, id), TaskState::Running, "the log ended before the task");
            });
            if round % 2 == 0 {
                process.exit(Exit::Code(5));
            }
            kill.join().unwrap();
            waits.into_iter().chain([first]).map(|wait| wait.join().unwrap()).collect()
        });
        assert!([Exit::Code(5), Exit::Signal(9)].contains(&told[0]));
        assert!(told.iter().all(|exit| *exit == told[0]), "{told:?}");
        let TaskState::Exited(listed) = tasks.list()[0].state else { panic!("not over") };
        assert_eq!(listed, told[0]);
    }
}
