//! Everyday programs do their work inside: what they make is there, and is right.
//!
//! Each test is one job, done on each backend in a fresh workspace. The result is looked at from
//! outside where the job leaves one. Programs that set modes of files run with best effort on the
//! Landlock tier, which otherwise refuses them that; a comment says which call it is.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use support::job::{installed, on_each_backend, on_the_host};
use support::pty::Terminal;
use support::{skip, wait};

#[test]
fn git_makes_a_repository_and_a_commit() {
    needs_programs!("git");
    let git = installed("git").unwrap();
    on_each_backend(|job| {
        // `git init` writes its configuration with chmod(2).
        let job = job.changes_metadata();
        let log = job.sh("git init -q .
             echo words >file
             git add file
             git -c user.name=Ann -c user.email=ann@example.org commit -qm 'first words'
             git log --format='%an: %s'");
        assert_eq!(log, "Ann: first words\n");
        let folder = ["-C", job.folder.path().to_str().unwrap()];
        let look = |args: &[&str]| on_the_host(&git, &[&folder, args].concat());
        assert_eq!(look(&["log", "--format=%an: %s"]), "Ann: first words\n");
        assert_eq!(look(&["show", "HEAD:file"]), "words\n");
        assert_eq!(look(&["status", "--porcelain"]), "");
    });
}

#[test]
fn mktemp_makes_files_and_folders_that_nobody_else_sees() {
    needs_programs!("mktemp", "stat");
    on_each_backend(|job| {
        let made = job.sh("f=$(mktemp); d=$(mktemp -d)
             echo one >\"$f\"; echo two >\"$d/file\"; cat \"$f\" \"$d/file\"
             stat -c %a \"$f\" \"$d\"
             echo \"$TMPDIR\"; echo \"$f\"; echo \"$d\"");
        let lines: Vec<_> = made.lines().collect();
        assert_eq!(lines[..4], ["one", "two", "600", "700"]);
        let [temporary, file, folder] = [lines[4], lines[5], lines[6]].map(Path::new);
        for made in [file, folder] {
            assert_eq!(made.parent(), Some(temporary));
            assert!(!made.exists(), "{} is still there", made.display());
        }
    });
}

const ASYNCIO: &str = "
import asyncio
async def main():
    child = await asyncio.create_subprocess_exec(
        'sh', '-c', 'tr a-z A-Z; echo aside >&2; exit 3', stdin=-1, stdout=-1, stderr=-1)
    out, err = await child.communicate(b'x' * 200_000)
    print(out == b'X' * 200_000, err, child.returncode)
asyncio.run(main())
";

#[test]
fn python_talks_to_a_child_through_pipes() {
    needs_programs!("python3");
    on_each_backend(|job| {
        assert_eq!(job.run(&["python3", "-c", ASYNCIO]), "True b'aside\\n' 3\n");
    });
}

const SPAWN: &str = "
const child = require('child_process').spawn('sh', ['-c', 'tr a-z A-Z; exit 3']);
let heard = '';
child.stdout.on('data', data => heard += data);
child.on('close', code => console.log(heard, code));
child.stdin.end('words');
";

/// The thread waits for a word in shared memory, which is a futex.
const WORKER: &str = "
const { Worker } = require('worker_threads');
const shared = new Int32Array(new SharedArrayBuffer(4));
const body = `const { parentPort, workerData } = require('worker_threads');
    const answer = Atomics.wait(workerData, 0, 0);
    parentPort.postMessage(answer + ' ' + workerData[0]);`;
const worker = new Worker(body, { eval: true, workerData: shared });
worker.on('message', text => console.log(text));
worker.on('online', () => setTimeout(() => {
    Atomics.store(shared, 0, 42);
    Atomics.notify(shared, 0);
}, 100));
";

#[test]
fn node_talks_to_a_child() {
    needs_programs!("node");
    on_each_backend(|job| assert_eq!(job.run(&["node", "-e", SPAWN]), "WORDS 3\n"));
}

#[test]
fn node_has_threads() {
    needs_programs!("node");
    on_each_backend(|job| {
        let text = job.run(&["node", "-e", WORKER]);
        // A thread that is slow to start finds the word there already.
        assert!(["ok 42\n", "not-equal 42\n"].contains(&&*text), "{text:?}");
    });
}

const MAKEFILE: &str = "
app: main.o words.o
\tcc -o $@ $^
%.o: %.c
\tcc -c -o $@ $<
";
const MAIN: &str =
    "#include <stdio.h>\nconst char *words(void);\nint main(void) { puts(words()); }\n";
const WORDS: &str = "const char *words(void) { return \"compiled\"; }\n";

#[test]
fn make_builds_a_program() {
    needs_programs!("make", "cc");
    on_each_backend(|job| {
        // The linker makes its output executable with chmod(2).
        let job = job.changes_metadata();
        let job = job.file("Makefile", MAKEFILE).file("main.c", MAIN).file("words.c", WORDS);
        let said = job.run(&["make", "-j2"]);
        assert!(said.contains("cc -o app main.o words.o\n"), "{said}");
        assert_eq!(job.run(&["make"]), "make: 'app' is up to date.\n");
        assert_eq!(on_the_host(&job.path("app"), &[]), "compiled\n");
    });
}

#[test]
fn what_the_compiler_makes_runs_inside() {
    needs_programs!("cc");
    on_each_backend(|job| {
        // As for `make`.
        let job = job.changes_metadata();
        let job =
            job.file("x.c", "#include <stdio.h>\nint main(void) { return !puts(\"ran\"); }\n");
        assert_eq!(job.sh("cc -o x x.c && ./x"), "ran\n");
        assert_eq!(on_the_host(&job.path("x"), &[]), "ran\n");
    });
}

#[test]
fn cargo_builds_a_crate() {
    let Some(toolchain) = toolchain() else { return };
    on_each_backend(|job| {
        // Linkers other than LLVM's make their output executable with chmod(2).
        let job = job
            .develops()
            .changes_metadata()
            .variables(&toolchain)
            .file("Cargo.toml", "[package]\nname = \"hello\"\nedition = \"2021\"\n")
            .file("src/main.rs", "fn main() { println!(\"{}\", env!(\"WORDS\")); }\n")
            .file("build.rs", "fn main() { println!(\"cargo::rustc-env=WORDS=built\"); }\n");
        job.run(&["cargo", "build", "--offline"]);
        assert_eq!(on_the_host(&job.path("target/debug/hello"), &[]), "built\n");
        assert_eq!(job.run(&["cargo", "run", "--offline", "--quiet"]), "built\n");
    });
}

/// The variables by which its owner finds the toolchain that built this test: whoever runs the test
/// need not have another. Below a home that is closed to that user it is out of reach.
fn toolchain() -> Option<Vec<(&'static str, String)>> {
    let cargo = Path::new(env!("CARGO"));
    if let Err(error) = std::fs::File::open(cargo) {
        skip(&format!("the toolchain is out of reach: {}: {error}", cargo.display()));
        return None;
    }
    let folder = cargo.parent()?.display();
    let path = format!("{folder}:{}", support::job::PATH);
    let home = cargo.ancestors().find(|home| cargo.starts_with(home.join(".rustup")));
    let Some(home) = home.map(Path::display) else { return Some(vec![("PATH", path)]) };
    // The proxies of rustup come first, as they do for the owner.
    Some(vec![("PATH", format!("{home}/.cargo/bin:{path}")), ("HOME", home.to_string())])
}

#[test]
fn a_shell_makes_pipelines() {
    on_each_backend(|job| {
        let text = job.sh("seq 1 100 | sort -r | head -3 | tr '\\n' ' '");
        assert_eq!(text, "99 98 97 ");
    });
}

#[test]
fn a_shell_reads_here_documents() {
    // The second is longer than a pipe holds: some shells put it into a temporary file.
    let script = "name=Ann; cat <<END; cat <<'END'
hello $name
END
hello $name
END
long=$(head -c 100000 /dev/zero | tr '\\0' x); wc -c <<END
$long
END";
    for shell in ["sh", "bash"] {
        if !support::job::has(shell) {
            continue;
        }
        on_each_backend(|job| {
            let text = job.run(&[shell, "-ec", script]);
            assert_eq!(text, "hello Ann\nhello $name\n100001\n", "{shell}");
        });
    }
}

#[test]
fn devices_are_read_and_written() {
    needs_programs!("od", "cmp");
    on_each_backend(|job| {
        let text = job.sh("echo lost >/dev/null; echo lost >>/dev/null; wc -c </dev/null
             head -c 4 /dev/zero | od -An -tx1
             head -c 32 /dev/urandom >one; head -c 32 /dev/urandom >two; cmp -s one two || echo random");
        assert_eq!(text, "0\n 00 00 00 00\nrandom\n");
        for name in ["one", "two"] {
            assert_eq!(std::fs::read(job.path(name)).unwrap().len(), 32);
        }
    });
}

#[test]
fn streams_are_redirected() {
    on_each_backend(|job| {
        let text = job.sh("(echo out; echo err >&2) >both 2>&1; sort both
             (echo out; echo err >&2) 2>&1
             (echo out; echo err >&2) >/dev/null 2>&1
             echo last >>both");
        assert_eq!(text, "err\nout\nout\nerr\n");
        assert_eq!(std::fs::read_to_string(job.path("both")).unwrap(), "out\nerr\nlast\n");
    });
}

#[test]
fn tput_knows_the_terminal() {
    needs_programs!("tput");
    on_each_backend(|job| assert_eq!(job.sh("tput cols; tput setaf 1"), "80\n\u{1b}[31m"));
}

#[test]
fn less_shows_pages_and_reads_keys() {
    needs_programs!("less");
    let lines: String = (1..=200).map(|number| format!("line {number};\n")).collect();
    on_each_backend(|job| {
        let job = job.file("many-lines", &lines);
        let mut terminal = Terminal::new(24, 80);
        let mut child = terminal.spawn(&mut job.command(&["-t"], &["less", "many-lines"]));
        // The prompt of the first page is the file's name.
        terminal.expect("many-lines");
        assert!(terminal.shows("line 23;") && !terminal.shows("line 24;"));
        terminal.type_in(" ");
        terminal.expect("line 46;");
        terminal.type_in("q");
        assert_eq!(wait(&mut child).code(), Some(0));
    });
}

/// What the sandbox makes for the command is open to the command, whatever its caller's mask.
#[test]
fn the_callers_mask_does_not_matter() {
    on_each_backend(|job| {
        let inner = job.command(&[], &["sh", "-c", "echo >/dev/null && umask && pwd && ls"]);
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        let made = command.output().expect("a shell");
        let errors = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{errors}");
        assert!(made.stdout.starts_with(b"0022\n"), "{:?}", made.stdout);
    });
}
