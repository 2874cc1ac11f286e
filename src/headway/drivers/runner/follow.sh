# Sent with each question over a session: waits until the job DIR has news behind OFFSET, then prints, for frames.py:
#   state missing | none | claimed | running | lost | finished
#   owner, free (what df says, when there is no runner), result N and outputs N (bytes that follow), an empty line,
# then the result, the outputs, and at most BYTES of log. Uses builtins where a loop would start a process each time.
hw_follow() { # DIR OFFSET CENTISECONDS BYTES [patient]
    exec 2>/dev/null
    cd -- "$1" || {
        printf 'state missing\n\n'
        return
    }
    hw_waited=0 hw_pause=1 # patient: not at once with the first output
    while :; do
        hw_look
        case $hw_state in lost | finished) break ;; esac
        [ -z "${5:-}" ] && [ -s log ] && [ "$(wc -c <log)" -gt "$2" ] && break
        [ "$hw_waited" -ge "$3" ] && break
        sleep "0.$((hw_pause / 10))$((hw_pause % 10))" || sleep 1
        hw_waited=$((hw_waited + hw_pause))
        [ "$hw_pause" -lt 16 ] && hw_pause=$((hw_pause * 2))
    done
    printf 'state %s\nowner %s\n' "$hw_state" "$hw_owner"
    case $hw_state in none | claimed | lost) printf 'free %s\n' "$(df -Pk . | tail -n 1)" ;; esac
    if [ "$hw_state" = finished ]; then
        printf 'result %s\noutputs %s\n\n' "$(wc -c <result)" "$(head -c 65537 outputs | wc -c)"
        cat result
        head -c 65537 outputs
    else
        printf '\n'
    fi
    if [ -s log ]; then tail -c "+$(($2 + 1))" log | head -c "$4"; fi
}

hw_look() {
    hw_owner=''
    # The result is looked for first: once it is there, the log is whole.
    if [ -s result ]; then hw_state=finished; else hw_state=none; fi
    [ -e claim ] && [ "$hw_state" = none ] && hw_state=claimed
    read -r hw_owner <owner || hw_owner=''
    case $hw_owner in
    *' end') ;;
    *) # Given up before it had a runner.
        [ -e over ] && [ "$hw_state" != finished ] && hw_state=lost
        return
        ;;
    esac
    [ "$hw_state" = finished ] && return
    hw_state=running
    hw_is_alive "$hw_owner" && return
    if [ -s result ]; then hw_state=finished; else hw_state=lost; fi
}

# The runner of this owner line: boot id, pid, start time.
hw_is_alive() {
    # shellcheck disable=SC2086
    set -- $1
    hw_boot_id=-
    read -r hw_boot_id </proc/sys/kernel/random/boot_id
    [ "$hw_boot_id" = "$1" ] || return 1
    hw_pid=$2 hw_start=$3
    read -r hw_line <"/proc/$hw_pid/stat" || return 1
    # shellcheck disable=SC2086
    set -- ${hw_line##*) }
    case $1 in [ZX]*) return 1 ;; esac
    [ "${20}" = "$hw_start" ]
}
