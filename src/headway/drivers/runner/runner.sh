#!/bin/sh
# Headway's runner: one job, detached from whoever asked for it. POSIX sh; Linux is the home, macOS a guest.
#
#   runner.sh job DIR PARENT                    run the job here; the payload (see payload.py) is on stdin. PARENT is
#                                               `adopts` when orphans come to this process (see spawner.py)
#   runner.sh launch DIR                        the same out of an open shell: comes back, the job goes on
#   runner.sh cancel DIR STATE REASON           end the job: TERM, stop_within, KILL
#   runner.sh sweep DIR                         end what a dead runner left behind
#
# DIR holds: pipe, claim, owner, steps/N, log, outputs, cancel, asked, ended, lost, left, result (by rename: whole or
# not at all).
# After the first `cd` every path is relative: DIR may be renamed while the job runs.
# All names begin with hw_, so that no variable of the job's own environment is overwritten.
set -u
unset CDPATH

# --- time and processes -----------------------------------------------------------------------------------

# hw_uptime: seconds since boot with two decimals, read without starting a process. hw_cs: the same * 100.
hw_now() {
    read -r hw_uptime hw_rest 2>/dev/null </proc/uptime || hw_uptime=$(date +%s).00
    hw_cs=${hw_uptime%.*}${hw_uptime#*.}
}

hw_nap() { # centiseconds
    sleep "$(($1 / 100)).$(($1 % 100 / 10))$(($1 % 10))" 2>/dev/null || sleep 1
}

# hw_state, hw_parent, hw_group, hw_start of process $1. False: there is none, or it is dead and not yet reaped.
hw_process() {
    if { read -r hw_line </proc/"$1"/stat; } 2>/dev/null; then
        hw_pid=${hw_line%% *}
        # The name may hold blanks and parentheses; the fields begin behind the last one.
        # shellcheck disable=SC2086
        set -- ${hw_line##*) }
        hw_state=$1 hw_parent=$2 hw_group=$3 hw_start=${20}
    elif [ -r /proc/self/stat ]; then
        return 1
    else
        [ "$1" = self ] && set -- $$
        hw_line=$(ps -o state=,ppid=,pgid= -p "$1") || return 1
        hw_pid=$1
        # shellcheck disable=SC2086
        set -- $hw_line
        hw_state=$1 hw_parent=$2 hw_group=$3 hw_start=0
    fi
    case $hw_state in [ZX]*) return 1 ;; esac
}

hw_boot() {
    read -r hw_boot_id 2>/dev/null </proc/sys/kernel/random/boot_id || hw_boot_id=-
}

# The job's record of its runner. False while there is none (a claim comes first, a moment later this).
hw_read_owner() {
    # shellcheck disable=SC2034
    { read -r hw_owner_boot hw_runner hw_runner_start hw_runner_group hw_writer hw_watcher hw_job hw_mark \
        hw_stop hw_spawner hw_end <owner; } 2>/dev/null && [ "${hw_end:-}" = end ]
}

hw_runner_alive() {
    hw_boot
    [ "$hw_boot_id" = "$hw_owner_boot" ] && hw_process "$hw_runner" && [ "$hw_start" = "$hw_runner_start" ]
}

# hw_targets: every process of the job. Where the runner adopts its orphans these are its descendants. Elsewhere
# it is one if it is in the runner's process group, if its environment carries the job's id (it called setsid), or if
# its parent is one. hw_unknown: whose parent is not known to be somebody else; only these can hold the job's pipe,
# and only their environment is worth a look.
# $1: pids of the runner's own helpers; they and their children are spared, as is the runner itself.
hw_scan() {
    hw_targets=' ' hw_strangers='' hw_unknown='' hw_files='' hw_list='' hw_unclear='' hw_alive=' '
    if [ "$hw_spawner" = adopts ] && [ -r "/proc/$hw_runner/task/$hw_runner/children" ] &&
        hw_process "$hw_runner" && [ "$hw_start" = "$hw_runner_start" ]; then
        hw_descend "$1"
        # The kernel may pass over one when another ends meanwhile: nobody there is believed the second time.
        [ "$hw_targets" != ' ' ] || hw_descend "$1"
        return
    fi
    hw_candidates
    for hw_pid in $hw_list; do
        case " $1 $hw_runner " in *" $hw_pid "*) continue ;; esac
        hw_process "$hw_pid" || continue
        case " $1 " in *" $hw_parent "*) continue ;; esac
        # What is older than the runner is not its child's child; all reapers of its orphans are.
        [ "$hw_start" -lt "$hw_runner_start" ] && continue
        hw_alive="$hw_alive$hw_pid "
        if [ "$hw_group" = "$hw_runner_group" ] || [ "$hw_parent" = "$hw_runner" ]; then
            hw_targets="$hw_targets$hw_pid "
        else
            hw_strangers="$hw_strangers $hw_pid:$hw_parent"
        fi
    done
    [ -n "$hw_strangers" ] && hw_elders
    for hw_pair in $hw_strangers; do
        case "$hw_reapers" in
        any) case $hw_alive in *" ${hw_pair#*:} "*) continue ;; esac ;;
        *" ${hw_pair#*:} "*) ;;
        *) continue ;;
        esac
        hw_pid=${hw_pair%:*}
        hw_unknown="$hw_unknown $hw_pid"
        [ -r "/proc/$hw_pid/environ" ] && hw_files="$hw_files /proc/$hw_pid/environ"
    done
    [ -n "$hw_files" ] && hw_scan_environments
    hw_more=yes
    while [ -n "$hw_more" ]; do
        hw_more=''
        for hw_pair in $hw_strangers; do
            case $hw_targets in *" ${hw_pair%:*} "*) continue ;; *" ${hw_pair#*:} "*) ;; *) continue ;; esac
            hw_targets="$hw_targets${hw_pair%:*} " hw_more=yes
        done
    done
}

# The kernel tells the children of each thread; neither forking twice, nor setsid, nor another environment leads
# away from the runner, and nobody else on the machine is looked at.
hw_descend() { # spared pids
    hw_parents=$hw_runner
    while [ -n "$hw_parents" ]; do
        hw_found=''
        for hw_one in $hw_parents; do
            for hw_file in /proc/"$hw_one"/task/*/children; do
                hw_children=''
                # It has no newline at its end, which `read` takes for a failure.
                { read -r hw_children <"$hw_file"; } 2>/dev/null
                hw_found="$hw_found $hw_children"
            done
        done
        hw_parents=''
        for hw_one in $hw_found; do
            case " $1 " in *" $hw_one "*) continue ;; esac
            hw_process "$hw_one" || continue
            hw_parents="$hw_parents $hw_one" hw_targets="$hw_targets$hw_one "
        done
    done
}

# hw_reapers: who can have become the parent of an orphan of ours: 1, or what is above the runner, but not the
# Headway that started it (its other children are other jobs). With the runner dead it is not known any more.
hw_elders() {
    hw_reapers=any
    hw_process "$hw_runner" && [ "$hw_start" = "$hw_runner_start" ] || return 0
    hw_reapers=' 1 '
    [ "$hw_parent" = "$hw_spawner" ] || hw_reapers="$hw_reapers$hw_parent "
    while [ "$hw_parent" -gt 1 ] && hw_process "$hw_parent"; do hw_reapers="$hw_reapers$hw_parent "; done
}

# hw_list: the pids that can belong to the job. The kernel tells the last pid it gave, so a short job looks at a
# handful, not at the whole machine. In two seconds the numbers do not come round.
hw_candidates() {
    hw_list=''
    hw_now
    if { read -r hw_rest hw_rest hw_rest hw_rest hw_last </proc/loadavg; } 2>/dev/null; then
        if [ "$hw_last" -gt "$hw_runner" ] && [ $((hw_last - hw_runner)) -lt 1000 ] &&
            [ $((hw_cs - hw_runner_start)) -lt 200 ]; then
            hw_pid=$hw_runner
            while [ "$hw_pid" -lt "$hw_last" ]; do
                hw_pid=$((hw_pid + 1))
                [ -d "/proc/$hw_pid" ] && hw_list="$hw_list $hw_pid"
            done
        else
            for hw_pid in /proc/[0-9]*; do hw_list="$hw_list ${hw_pid#/proc/}"; done
        fi
    else
        hw_list=$(ps -A -o pid=)
    fi
}

# hw_unclear: files that were empty. A process in the middle of an exec has no environment for a moment: look again.
hw_scan_environments() {
    # The owner file holds the id, too: if it is not found there, this grep knows no -z (old busybox).
    # shellcheck disable=SC2086
    hw_found=$(grep -lzF -e "$hw_job" owner $hw_files 2>/dev/null)
    case $hw_found in
    owner*) ;;
    *)
        hw_found=''
        for hw_file in $hw_files; do
            { tr '\0' '\n' <"$hw_file" | grep -qF -e "$hw_job"; } 2>/dev/null && hw_found="$hw_found $hw_file"
        done
        ;;
    esac
    for hw_file in $hw_found; do
        case $hw_file in
        /proc/*)
            hw_file=${hw_file#/proc/}
            hw_targets="$hw_targets${hw_file%/environ} "
            ;;
        esac
    done
    # shellcheck disable=SC2086
    hw_unclear=$(grep -LzF '' $hw_files 2>/dev/null)
}

hw_kill() { # signal, pids
    hw_signal=$1
    shift
    for hw_pid in "$@"; do kill -s "$hw_signal" "$hw_pid" 2>/dev/null; done
}

# TERM to each process once, KILL to all that is left after $hw_stop centiseconds, as long as the condition holds.
# Who began after the first TERM is work of stopping (a handler's command), unless it is a step of the runner's.
# `asked` says who has had his TERM: whoever takes over, the runner or another cancel, sends no second one.
hw_end_all() { # spared pids, condition
    hw_spared=$1
    shift
    hw_now
    hw_asked='' hw_asked_at='' hw_kill_at=$((hw_cs + hw_stop)) hw_pause=1
    { read -r hw_asked_at hw_asked <asked; } 2>/dev/null
    hw_asked=" $hw_asked " hw_first_at=${hw_asked_at:-$hw_cs}
    while "$@"; do
        hw_scan "$hw_spared"
        hw_now
        if [ "$hw_cs" -ge "$hw_kill_at" ]; then
            # shellcheck disable=SC2086
            "$@" && hw_kill KILL $hw_targets
        else
            "$@" && hw_ask
        fi
        "$@" || break
        [ "$hw_pause" -lt 10 ] && hw_pause=$((hw_pause + 1))
        hw_nap "$hw_pause"
    done
}

hw_ask() {
    hw_round=''
    for hw_one in $hw_targets; do
        case $hw_asked in *" $hw_one "*) continue ;; esac
        if [ -n "$hw_asked_at" ]; then
            hw_process "$hw_one" || continue
            # Both count hundredths of a second since boot.
            [ "$hw_start" -lt "$hw_asked_at" ] || [ "$hw_parent" = "$hw_runner" ] || continue
        fi
        hw_round="$hw_round $hw_one"
    done
    [ -n "$hw_round" ] || return 0
    hw_asked_at=$hw_first_at hw_asked="${hw_asked% }$hw_round "
    printf '%s %s\n' "$hw_asked_at" "$hw_asked" >asked
    # shellcheck disable=SC2086
    hw_kill TERM $hw_round
}

# --- the job ----------------------------------------------------------------------------------------------

hw_run_job() {
    # Handlers, not '': an ignored signal would be ignored by the steps, too.
    trap : HUP INT QUIT TERM PIPE
    hw_payload=''
    if [ -r /proc/self/stat ]; then . /dev/stdin; else eval "$(cat)"; fi
    # Half a payload is none: whoever sent it died, and the next start begins anew.
    [ "$hw_payload" = whole ] || exit 1
    exec </dev/null 2>/dev/null
    cd -- "$1" || exit 1
    # The claim: of any number of runners one makes this file (O_EXCL), without starting a process for it.
    set -C
    true >claim || exit 0
    set +C
    hw_process self || exit 1
    hw_boot
    hw_spawner=$2
    hw_runner=$hw_pid hw_runner_start=$hw_start hw_runner_group=$hw_group hw_step=0 hw_records=''
    # Half a script must never run: a full disk ends it here.
    # And room for the result is taken now, so that a disk that is full by then does not lose it.
    hw_write_steps && : >outputs && printf '%*s' $((4096 + 96 * hw_steps)) '' >result.new || exit 1
    hw_now
    hw_began=$hw_uptime hw_deadline=$((hw_cs + hw_timeout)) hw_stopped='' hw_failed='' hw_problem=''
    hw_watcher='' hw_writer=''
    hw_watch >/dev/null &
    hw_watcher=$!
    hw_write_log <pipe &
    hw_writer=$!
    exec >pipe
    printf '%s %s %s %s %s %s %s %s %s %s end\n' "$hw_boot_id" "$hw_runner" "$hw_runner_start" "$hw_runner_group" \
        "$hw_writer" "$hw_watcher" "$hw_job" "$hw_mark" "$hw_stop" "$hw_spawner" >owner ||
        exit 1
    [ -d "$hw_work" ] || hw_problem="the working directory $hw_work does not exist"
    while [ "$hw_step" -lt "$hw_steps" ] && [ -z "$hw_failed$hw_problem" ]; do
        [ -e cancel ] && hw_stopped=yes && break
        hw_step=$((hw_step + 1))
        hw_run_step
        [ -e cancel ] && hw_stopped=yes && break
    done
    : >ended
    hw_clean_up
    hw_drain
    hw_finish
}

hw_run_step() {
    hw_now
    hw_step_began=$hw_uptime
    printf '\036%s b %s %s\n' "$hw_mark" "$hw_step" "$hw_uptime"
    cd -P . # where we are now: the directory may have been renamed
    (
        export HEADWAY_OUTPUT="$PWD/outputs" HEADWAY_JOB_ID="${HEADWAY_JOB_ID:+$HEADWAY_JOB_ID }$hw_job"
        if [ -e /dev/fd/3 ]; then
            "hw_step_$hw_step" "$PWD/steps/$hw_step" -c '. /dev/fd/3' "step $hw_step"
        else
            "hw_step_$hw_step" "$PWD/steps/$hw_step" "$PWD/steps/$hw_step"
        fi
    ) 3<"steps/$hw_step" 2>&1
    hw_code=$?
    hw_now
    printf '\036%s e %s %s %s\n' "$hw_mark" "$hw_step" "$hw_uptime" "$hw_code"
    hw_records="${hw_records}step $hw_step $hw_code $hw_step_began $hw_uptime
"
    [ "$hw_code" = 0 ] || hw_failed=yes
}

# In the step's subshell, called by the payload's functions: to the working directory, or say why not.
hw_enter() {
    cd -- "$1" && return
    echo "headway: cannot enter the working directory $1" >&2
    exit 126
}

# What a job leaves running ends with it; a job that succeeds may keep it (a service that it started).
hw_clean_up() {
    hw_scan "$hw_writer $hw_watcher"
    if [ "$hw_keep" = 1 ] && [ -z "$hw_failed$hw_stopped$hw_problem" ]; then return; fi
    hw_end_left_over "$hw_writer $hw_watcher"
    for hw_one in $hw_targets; do
        hw_process "$hw_one" && printf '\n[headway: process %s could not be ended]\n' "$hw_one"
    done
}

hw_end_left_over() { # spared pids
    # A process that even KILL does not end waits in the kernel; it must not hold the result for ever.
    hw_now
    hw_give_up=$((hw_cs + hw_stop + 300)) hw_looks=0
    hw_end_all "$1" hw_left_over
    # Who stays keeps the job's directory from being removed under him.
    hw_stay=''
    for hw_one in $hw_targets; do
        hw_process "$hw_one" && hw_stay="$hw_stay$hw_one $hw_start
"
    done
    [ -z "$hw_stay" ] || printf %s "$hw_stay" >left
}

hw_left_over() {
    if [ "$hw_targets" != ' ' ]; then
        hw_now
        [ "$hw_cs" -lt "$hw_give_up" ]
    else
        hw_looks=$((hw_looks + 1))
        [ -n "$hw_unclear" ] && [ "$hw_looks" -le 8 ]
    fi
}

# Everything that the steps have written is in the log before the result is there.
hw_drain() {
    hw_lost=''
    printf '\036%s end\n' "$hw_mark"
    exec >/dev/null
    if [ -z "$hw_unknown" ] && [ "$hw_targets" = ' ' ]; then
        hw_wait_for_writer # nobody is left who could hold the pipe
    else
        # Someone may hold it. The pipe keeps the order: once our last mark is in the log, so is all before it.
        hw_now
        hw_give_up=$((hw_cs + 500)) hw_written=0
        while hw_process "$hw_writer"; do
            tail -c 4096 log | grep -qaF "$hw_mark end" && break
            [ -s lost ] && break
            hw_now
            [ "$hw_cs" -ge "$hw_give_up" ] && break
            hw_nap 1
        done
        if ! hw_process "$hw_writer"; then
            hw_wait_for_writer
        elif [ "$hw_keep" != 1 ] || [ -n "$hw_failed$hw_stopped" ]; then
            hw_end_writer
        fi
    fi
    case $hw_written in 3) hw_lost=limit ;; 4) hw_lost=disk ;; 5) hw_lost=cut ;; *) [ -s lost ] && read -r hw_lost <lost ;; esac
}

# A signal to the runner ends a `wait` before the writer has ended; bash may remember one that came during the last step.
hw_wait_for_writer() {
    wait "$hw_writer"
    hw_written=$?
    while [ "$hw_written" -gt 128 ] && hw_process "$hw_writer"; do
        wait "$hw_writer"
        hw_written=$?
    done
}

hw_end_writer() {
    hw_looks=0
    while [ "$hw_looks" -lt 4 ]; do # one that is through is ending now
        hw_process "$hw_writer" || return
        hw_looks=$((hw_looks + 1))
        hw_nap 1
    done
    hw_candidates
    hw_reader=''
    for hw_pid in $hw_list; do
        hw_process "$hw_pid" && [ "$hw_parent" = "$hw_writer" ] && hw_reader="$hw_reader $hw_pid"
    done
    # shellcheck disable=SC2086
    hw_kill KILL "$hw_writer" $hw_reader
}

hw_finish() {
    hw_now
    hw_why=''
    if [ -n "$hw_stopped" ]; then
        { read -r hw_end_state && read -r hw_why; } <cancel || hw_why=''
        hw_why="stopped ${hw_end_state:-cancelled} $hw_why
"
    fi
    [ -n "$hw_problem" ] && hw_why="problem $hw_problem
"
    hw_tries=0
    # Over the blanks that it was filled with; those behind it stay.
    until printf 'steps %s\nbegan %s\nended %s\n%s%slost %s\nend\n' "$hw_steps" "$hw_began" "$hw_uptime" \
        "$hw_records" "$hw_why" "${hw_lost:-nothing}" 1<>result.new; do
        hw_tries=$((hw_tries + 1))
        # A full disk: without a result the follower says so.
        [ "$hw_tries" -lt 5 ] || exit 1
        hw_nap 20
    done
    kill -s TERM "$hw_watcher"
    exec mv -f result.new result
}

# --- the runner's two helpers -----------------------------------------------------------------------------

# Reads the pipe to its end, whatever happens. Exit 3: the limit was reached, 4: the disk is full, 5: cat was killed.
hw_write_log() {
    trap '' HUP INT QUIT TERM PIPE XFSZ
    ulimit -S -f "$hw_limit" || :
    cat >log && return 0
    hw_code=$?
    ulimit -S -f "$(ulimit -H -f)"
    if [ "$hw_code" -gt 128 ]; then
        hw_code=5
        echo cut >lost
    elif [ "$(wc -c <log)" -ge $((hw_limit * 512)) ]; then
        hw_code=3
        echo limit >lost
        printf '\036%s cut\n' "$hw_mark" >>log
        printf '\n[headway: the output limit of %s is reached; the rest is dropped, the job goes on]\n' \
            "$hw_limit_text" >>log
    else
        hw_code=4
        echo disk >lost
    fi
    cat >/dev/null
    return $hw_code
}

# Ends the job when its time is over or when it has been silent too long.
hw_watch() {
    hw_sleeper='' hw_seen=''
    # A TERM may come between the start of a command and whatever would keep its pid: hence $!.
    trap '[ -n "$hw_sleeper" ] && kill -s TERM "${!:-}" 2>/dev/null; exit 0' TERM
    hw_seen_at=$hw_cs
    while :; do
        hw_now
        hw_left=$((hw_deadline - hw_cs))
        if [ "$hw_left" -le 0 ]; then hw_stop_from_watch "timeout after $hw_timeout_text"; fi
        if [ "$hw_idle" -gt 0 ]; then
            hw_size=$(wc -c <log 2>/dev/null)
            if [ "$hw_size" != "$hw_seen" ] || [ -s lost ]; then
                hw_seen=$hw_size hw_seen_at=$hw_cs
            elif [ $((hw_cs - hw_seen_at)) -ge "$hw_idle" ]; then
                hw_stop_from_watch "no output for $hw_idle_text"
            fi
            hw_look=$((hw_idle / 10 + 5))
            [ "$hw_left" -gt "$hw_look" ] && hw_left=$hw_look
        fi
        # Whoever was ending the job may have died over it.
        if [ -e cancel ] && [ ! -e ended ]; then hw_stop_from_watch "cancelled"; fi
        [ "$hw_left" -gt 3000 ] && hw_left=3000
        hw_sleeper=yes
        if [ "$hw_left" -ge 200 ]; then
            sleep "$((hw_left / 100))" &
        else
            sleep "$((hw_left / 100)).$((hw_left % 100 / 10))$((hw_left % 10))" &
        fi
        wait $! || hw_nap 100
        hw_sleeper=''
        # Without its runner a job has no end of its own.
        hw_process "$hw_runner" && [ "$hw_start" = "$hw_runner_start" ] || {
            hw_read_owner && hw_sweep
            exit 0
        }
    done
}

hw_stop_from_watch() {
    hw_read_owner || return
    hw_cancel failed "$1"
    exit 0
}

# --- the verbs from outside -------------------------------------------------------------------------------

hw_cancel() { # state, reason. The first one to say why stands.
    hw_process self
    hw_me=$hw_pid
    printf '%s\n%s\n' "$1" "$2" >"cancel.$hw_me"
    ln "cancel.$hw_me" cancel 2>/dev/null
    rm -f "cancel.$hw_me"
    # No owner yet: the runner looks for `cancel` after it has written it, before the first step.
    hw_read_owner && hw_end_all "$hw_writer $hw_watcher $hw_me" hw_in_steps
}

# Once the steps have ended, the runner cleans up by itself; its own commands must not be hit then.
hw_in_steps() {
    [ ! -e ended ] && hw_runner_alive
}

# The runner is dead without a result: nobody will follow what it left behind.
hw_sweep() {
    hw_boot
    [ "$hw_boot_id" = "$hw_owner_boot" ] || return 0
    hw_process self
    hw_me=$hw_pid
    # The group's number may belong to strangers by now; its leader's being there is the sign of it.
    hw_process "$hw_runner_group" && hw_runner_group=none
    hw_scan "$hw_writer $hw_me"
    hw_end_left_over "$hw_writer $hw_me"
    # What they had written is still on its way into the log.
    hw_looks=0
    while [ "$hw_looks" -lt 100 ] && hw_process "$hw_writer"; do
        hw_looks=$((hw_looks + 1))
        hw_nap 2
    done
}

case $1 in
job) hw_run_job "$2" "$3" ;;
launch)
    # Not with `&`: a shell without job control makes that ignore INT and QUIT, and no one can undo it. The
    # first part of a pipeline is not touched; the second ends the shell that would wait for the first.
    hw_run_job "$2" 0 >/dev/null 2>&1 | kill -s KILL $$
    ;;
cancel)
    cd -- "$2" || exit 1
    hw_cancel "$3" "$4"
    ;;
sweep)
    cd -- "$2" || exit 1
    if hw_read_owner && [ ! -s result ] && ! hw_runner_alive; then hw_sweep; fi
    ;;
*) exit 2 ;;
esac
exit
