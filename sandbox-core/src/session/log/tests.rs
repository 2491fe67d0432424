use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use super::Stream::{Stderr, Stdout};
use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn log(capacity: usize) -> Log {
    Log::new(capacity, PATIENCE)
}

async fn write(log: &Log, bytes: &[u8]) {
    log.append(Stdout, bytes).await.unwrap();
}

/// What is there to read without waiting.
async fn read(watcher: &mut Watcher) -> Option<Piece> {
    timeout(Duration::ZERO, watcher.next()).await.ok().flatten()
}

fn out(text: &str) -> Option<Piece> {
    Some(Piece::Bytes { stream: Stdout, bytes: text.into() })
}

fn missed(missed: u64) -> Option<Piece> {
    Some(Piece::Lagged { missed })
}

/// Everything up to the end, without the streams.
async fn rest(watcher: &mut Watcher) -> (Vec<u8>, u64) {
    let (mut all, mut lost) = (Vec::new(), 0);
    while let Some(piece) = watcher.next().await {
        match piece {
            Piece::Bytes { bytes, .. } => all.extend(bytes),
            Piece::Lagged { missed } => lost += missed,
        }
    }
    (all, lost)
}

#[tokio::test]
async fn the_newest_bytes_are_kept_and_the_others_counted() {
    let log = log(4);
    write(&log, b"abc").await;
    assert_eq!((log.tail_text().as_str(), log.total(), log.dropped()), ("abc", 3, 0));
    write(&log, b"defghij").await;
    assert_eq!((log.tail_text().as_str(), log.total(), log.dropped()), ("ghij", 10, 6));
}

#[tokio::test]
async fn a_tail_never_cuts_a_character() {
    let text = "x\u{e9}\u{20ac}\u{1f600}".repeat(9);
    for capacity in 1..12 {
        let log = log(capacity);
        for byte in text.as_bytes() {
            write(&log, &[*byte]).await;
            let tail = String::from_utf8(log.tail()).unwrap();
            assert_eq!(tail, log.tail_text());
            assert!(text.contains(&tail) && tail.len() + 7 > capacity.min(log.total() as usize));
        }
        assert!(text.ends_with(&log.tail_text()));
    }
    let log = log(8);
    write(&log, b"\xffa\xfe").await;
    assert_eq!((&*log.tail(), &*log.tail_text()), (&b"\xffa\xfe"[..], "\u{fffd}a\u{fffd}"));
}

#[tokio::test]
async fn streams_keep_their_order() {
    let log = log(64);
    log.append(Stdout, b"one ").await.unwrap();
    log.append(Stdout, b"two ").await.unwrap();
    log.append(Stderr, b"three ").await.unwrap();
    log.append(Stdout, b"four").await.unwrap();
    let mut watcher = log.watch(Start::Scrollback);
    let err = Some(Piece::Bytes { stream: Stderr, bytes: b"three ".into() });
    assert_eq!(read(&mut watcher).await, out("one two "));
    assert_eq!(read(&mut watcher).await, err);
    assert_eq!(read(&mut watcher).await, out("four"));
    assert_eq!(log.tail_text(), "one two three four");
}

#[tokio::test]
async fn a_watcher_begins_where_it_is_told() {
    let log = log(4);
    write(&log, b"abcdef").await;
    let mut now = log.watch(Start::Now);
    let mut all = log.watch(Start::Scrollback);
    let mut middle = log.watch(Start::Offset(4));
    let mut gone = log.watch(Start::Offset(1));
    let mut future = log.watch(Start::Offset(99));
    assert_eq!(read(&mut all).await, out("cdef"));
    assert_eq!((read(&mut middle).await, middle.place()), (out("ef"), 6));
    assert_eq!((read(&mut gone).await, read(&mut gone).await), (missed(1), out("cdef")));
    for watcher in [&mut now, &mut future] {
        assert_eq!(read(watcher).await, None);
    }
    write(&log, b"g").await;
    for watcher in [&mut now, &mut all, &mut middle, &mut gone, &mut future] {
        assert_eq!(read(watcher).await, out("g"));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_when_nobody_watches() {
    let start = Instant::now();
    let log = log(4);
    write(&log, &[b'x'; 1000]).await;
    assert_eq!((start.elapsed(), log.total()), (Duration::ZERO, 1000));
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_holds_the_writer_and_loses_nothing() {
    let log = log(4);
    let mut watcher = log.watch(Start::Now);
    let start = Instant::now();
    let writer = async {
        write(&log, b"abcdefghij").await;
        let took = start.elapsed();
        log.close();
        took
    };
    let reader = async {
        let mut all = Vec::new();
        loop {
            // Longer together than the patience; each wait is shorter.
            sleep(PATIENCE - Duration::from_millis(1)).await;
            let Some(piece) = watcher.next().await else { return all };
            all.push(piece);
        }
    };
    let (took, all) = tokio::join!(writer, reader);
    assert!(took > PATIENCE && took < 3 * PATIENCE, "{took:?}");
    let expected: Vec<_> = ["abcd", "efgh", "ij"].map(out).into_iter().flatten().collect();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_stopped_costs_one_patience_and_nobody_else_a_byte() {
    let log = log(4);
    let (mut stopped, mut other) = (log.watch(Start::Now), log.watch(Start::Now));
    let start = Instant::now();
    let writer = async {
        write(&log, b"abcdefghijklmnopqrstuvwxyz").await;
        log.close();
        start.elapsed()
    };
    let (took, seen) = tokio::join!(writer, rest(&mut other));
    assert_eq!(seen, (b"abcdefghijklmnopqrstuvwxyz".to_vec(), 0));
    assert!(took >= PATIENCE && took < PATIENCE + Duration::from_secs(1), "{took:?}");
    assert_eq!(read(&mut stopped).await, missed(22));
    assert_eq!((read(&mut stopped).await, stopped.place()), (out("wxyz"), 26));
    assert_eq!(stopped.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_stopped_is_not_excused_by_others() {
    let log = log(2);
    let _stopped = log.watch(Start::Now);
    let start = Instant::now();
    let others = async {
        loop {
            sleep(PATIENCE / 3).await;
            drop(log.watch(Start::Now));
        }
    };
    tokio::select! {
        () = write(&log, b"abcd") => {}
        () = others => {}
    }
    assert_eq!(start.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn who_reads_again_is_waited_for_again() {
    let log = log(2);
    let mut watcher = log.watch(Start::Now);
    write(&log, b"abcdef").await;
    assert_eq!(read(&mut watcher).await, missed(4));
    let start = Instant::now();
    let writer = async {
        write(&log, b"gh").await;
        start.elapsed()
    };
    let reader = async {
        sleep(Duration::from_secs(1)).await;
        [watcher.next().await, watcher.next().await]
    };
    let (took, seen) = tokio::join!(writer, reader);
    assert_eq!((took.as_secs(), seen), (1, [out("ef"), out("gh")]));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_watcher_and_closing_release_the_writer_at_once() {
    let log = log(2);
    let watcher = log.watch(Start::Now);
    let start = Instant::now();
    let drop = async {
        sleep(Duration::from_secs(1)).await;
        drop(watcher);
    };
    tokio::join!(write(&log, b"abcd"), drop);
    assert_eq!(start.elapsed().as_secs(), 1);

    let _watcher = log.watch(Start::Scrollback);
    let close = async {
        sleep(Duration::from_secs(1)).await;
        log.close();
    };
    let (written, ()) = tokio::join!(log.append(Stdout, b"efgh"), close);
    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(start.elapsed().as_secs(), 2);
}

/// A writer whose turn does not come must not blame a watcher that reads.
#[tokio::test(start_paused = true)]
async fn two_writers_share_one_patience() {
    let log = log(1);
    let mut watcher = log.watch(Start::Now);
    let write = |stream| {
        let log = &log;
        async move { log.append(stream, &[b'x'; 20]).await.unwrap() }
    };
    let writers = async {
        tokio::join!(write(Stdout), write(Stderr));
        log.close();
    };
    let reader = async {
        let mut seen = 0;
        while let Some(piece) = watcher.next().await {
            assert!(matches!(piece, Piece::Bytes { .. }), "{piece:?}");
            seen += 1;
            sleep(PATIENCE / 2).await;
        }
        seen
    };
    assert_eq!(tokio::join!(writers, reader).1, 40);
}

#[tokio::test]
async fn a_closed_log_is_read_to_its_end() {
    let log = log(8);
    let (mut early, _) = (log.watch(Start::Now), log.watch(Start::Now));
    write(&log, b"abc").await;
    log.close();
    let mut late = log.watch(Start::Scrollback);
    assert_eq!(rest(&mut early).await, (b"abc".to_vec(), 0));
    assert_eq!(rest(&mut late).await, (b"abc".to_vec(), 0));
    assert!(log.append(Stdout, b"d").await.is_err());
    assert_eq!(log.total(), 3);
}

#[tokio::test(start_paused = true)]
async fn closing_wakes_who_waits_for_more() {
    let log = log(8);
    let mut watcher = log.watch(Start::Now);
    let close = async {
        sleep(Duration::from_secs(1)).await;
        log.close();
    };
    assert_eq!(tokio::join!(watcher.next(), close).0, None);
}

#[tokio::test(start_paused = true)]
async fn reading_that_is_given_up_loses_nothing() {
    let log = log(8);
    let mut watcher = log.watch(Start::Now);
    let writer = async {
        for number in 0..50u8 {
            sleep(Duration::from_millis(7)).await;
            write(&log, &[number]).await;
        }
        log.close();
    };
    let reader = async {
        let mut all = Vec::new();
        loop {
            match timeout(Duration::from_millis(5), watcher.next()).await {
                Ok(Some(Piece::Bytes { bytes, .. })) => all.extend(bytes),
                Ok(Some(lagged)) => panic!("{lagged:?}"),
                Ok(None) => return all,
                Err(_) => {}
            }
        }
    };
    assert_eq!(tokio::join!(writer, reader).1, (0..50).collect::<Vec<u8>>());
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_like_append() {
    let log = log(3);
    let mut watcher = log.watch(Start::Now);
    let mut writer = log.writer(Stderr);
    let write = async {
        writer.write_all(b"abcdefgh").await.unwrap();
        writer.flush().await.unwrap();
        log.close();
        writer.write_all(b"i").await.unwrap_err().kind()
    };
    let (kind, seen) = tokio::join!(write, rest(&mut watcher));
    assert_eq!((kind, seen), (io::ErrorKind::BrokenPipe, (b"abcdefgh".to_vec(), 0)));
}

#[tokio::test(start_paused = true)]
async fn any_patience_can_be_meant() {
    for patience in [Duration::ZERO, Duration::MAX] {
        let log = Log::new(0, patience);
        let mut watcher = log.watch(Start::Now);
        let both = async { tokio::join!(write(&log, b"ab"), sleep(Duration::from_secs(3600))) };
        let finished = timeout(Duration::from_secs(7200), both).await.is_ok();
        assert_eq!(finished, patience.is_zero());
        assert_eq!(read(&mut watcher).await, if finished { missed(1) } else { out("a") });
    }
}

/// Threads of their own, so that a wake-up can be lost if there is a moment for it.
#[test]
fn writers_and_watchers_on_threads_lose_nothing() {
    fn run<F: Future>(work: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }
    const EACH: usize = 30_000;
    let log = Log::new(7, Duration::from_secs(3600));
    let mut watchers: Vec<_> = (0..3).map(|_| log.watch(Start::Now)).collect();
    std::thread::scope(|scope| {
        let writers = [(Stdout, b'o'), (Stderr, b'e')].map(|(stream, byte)| {
            let log = &log;
            scope.spawn(move || {
                for length in (1..=5).cycle().take(EACH / 3) {
                    run(log.append(stream, &[byte; 5][..length])).unwrap();
                }
            })
        });
        let readers: Vec<_> =
            watchers.iter_mut().map(|watcher| scope.spawn(|| run(rest(watcher)))).collect();
        for writer in writers {
            writer.join().unwrap();
        }
        log.close();
        let mut seen = readers.into_iter().map(|reader| reader.join().unwrap());
        let first = seen.next().unwrap();
        assert_eq!((first.0.len(), first.1), (2 * EACH, 0));
        assert!(seen.all(|other| other == first), "watchers differ");
    });
}
