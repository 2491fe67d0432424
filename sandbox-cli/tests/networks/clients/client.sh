# Fetches each URL with curl and prints a line for it: what came, or the kind of error.
for url; do
    text=$(curl -sv --max-time 20 "$url" 2>"$TMPDIR/told")
    case $?:$(cat "$TMPDIR/told") in
    0:*) echo "ok $text" ;;
    6:*) echo name ;;
    28:*) echo timeout ;;
    *"Permission denied"*) echo access ;;
    *"Connection refused"*) echo refused ;;
    *"reset by peer"* | *"Broken pipe"*) echo reset ;;
    *) echo "other: $(tail -n 1 "$TMPDIR/told")" ;;
    esac
done
