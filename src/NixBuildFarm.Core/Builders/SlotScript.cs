namespace NixBuildFarm.Builders;

/// <summary>
/// The script that takes slots of a builder: each is a lock on a file there, so that those who share a builder never fill it twice. A lock
/// goes with the connection that it was taken over, however that ends.
/// </summary>
/// <remarks>
/// It is constant, for a POSIX shell with <c>flock</c>, and without single quotes and backslashes, so that every login shell passes it on
/// unchanged. It reads lines, and answers:
/// <code>
/// SLOTS HOLDER              how many slots there are, and who asks; first    ready PROCESS | none WHY
/// take ASK SLOT             a slot, if possible this one; ASK from 1 on      taken ASK SLOT [PROCESS], perhaps after waits ASK
/// give ASK SLOT [PROCESS]   as it was taken
/// end
/// </code>
/// Who waits has the lock <c>turn</c>, and is told by the kernel: one process waits for each slot, and the first that gets one ends the
/// others. Those who want the turn stand in the kernel's queue. A slot is held by a process that waits for the end of the script, by a lock
/// of the script's own; so it ends even when the script is killed. Files are made only where there are none, are opened for reading, and
/// nothing is read from them. Their names say who holds a slot.
/// </remarks>
internal static class SlotScript
{
    /// <summary>Where the locks are: a folder in which all may make files, and delete none of others.</summary>
    public const string Folder = "/tmp/nixbuildfarm-slots";

    /// <summary>The most slots that are counted.</summary>
    public const int Most = 1000;

    /// <summary>The script.</summary>
    public const string Text =
        BuilderMachine.FindPrograms + "exec 2>/dev/null; umask 022; set -C; "
        // On this machine Ctrl-C would end it before the builds; where nobody listens any more, it still tidies up.
        + "trap \"\" INT PIPE; "
        + "d=" + Folder + "; "
        + Functions
        + "command -v flock >/dev/null || none flock; "
        + "read -r slots who || exit 0; "
        // Another who makes it at this moment opens it to all a moment later.
        + "[ -d $d ] || mkdir -m 1777 $d; open || { sleep 1; open; } || none folder; "
        + "n=1; while [ $n -le $slots ]; do file $d/slot-$n || none folder; n=$((n + 1)); done; "
        + "life=$d/life,$$; rm -f $life $d/held,*,$$,*; true >$life || none folder; "
        + "exec 7<$life; flock -n 7 || none folder; "
        + "echo ready $$; "
        + "while read -r word ask slot p; do eval q=\"$\"p$ask; case $word in "
        + "take) { { take $ask $slot; } 8<$d/turn || echo none folder; } 7<&- & eval p$ask=$! ;; "
        + "give) kill ${p:-$q}; wait $q; eval p$ask=ended; rm -f $d/held,$slot,$$,* ;; "
        + "end) break ;; "
        + "esac; done; "
        // The number of a process that has ended may be that of another by now.
        + "n=1; while eval q=\"$\"p$n; [ \"$q\" ]; do kill $q; n=$((n + 1)); done; "
        + "rm -f $life $d/held,*,$$,*";

    private const string Functions =
        "none() { echo none $1; exit 0; }; "
        + "file() { [ -e $1 ] || true >$1; [ -f $1 ] && [ -r $1 ] || return 1; [ -L $1 ] && return 1; return 0; }; "
        + "open() { [ -L $d ] && return 1; case $(ls -ld $d/) in d????????[tT]*) file $d/turn ;; *) return 1 ;; esac; }; "
        + "stop() { [ \"$c\" ] && kill $c; exit 0; }; "
        // The trap stays: a shell forgets a signal that comes before it takes the trap away, or before it becomes another program.
        + "hold() { exec 7<$life 8<&-; flock -s 7 9<&- >/dev/null & c=$!; wait $c; exit 0; }; "
        // $c: what this process waits for, and ends where it is ended.
        + "await() { \"$@\" & c=$!; wait $c; }; "
        + "note() { [ -f $life ] && true >$d/held,$1,$$,$who; }; "
        + "watch() { n=1; while [ $n -le $slots ]; do "
        + "{ trap stop TERM; await flock 9 && [ -f $life ] && echo got $n && hold; } 9<$d/slot-$n 8<&- & "
        + "echo watch $n $!; n=$((n + 1)); done; }; "
        + "settle() { trap stop TERM; c= k= m=0; "
        + "while [ $m -lt $slots ] || [ -z \"$k\" ]; do read -r what n p || { echo none folder; stop; }; "
        + "case $what in watch) m=$((m + 1)); c=\"$c $p\"; eval w$n=$p ;; got) k=${k:-$n} ;; esac; done; "
        + "eval p=\"$\"w$k; for o in $c; do [ $o = $p ] || kill $o; done; "
        + "note $k; echo taken $1 $k $p; }; "
        + "take() { trap stop TERM; "
        + "flock -n 8 || { echo waits $1; await flock 8; }; "
        + "n=$2; m=0; while [ $m -lt $slots ]; do "
        + "{ flock -n 9 && note $n && { echo taken $1 $n; hold; }; } 9<$d/slot-$n; "
        + "n=$((n % slots + 1)); m=$((m + 1)); done; "
        + "echo waits $1; watch | settle $1 & c=$!; exec 8<&-; wait $c; return 0; }; ";
}
