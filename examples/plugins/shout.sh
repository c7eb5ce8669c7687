#!/usr/bin/env bash
# A worker of the step type acme.shout in plain bash: it speaks the text protocol of NATS itself, and needs jq for the JSON.
#   NATS_URL=$(orchestra plugins credentials acme.shout) ./shout.sh
set -euo pipefail
type=acme.shout
worker="sh-$$-$RANDOM"
address=${NATS_URL:-nats://127.0.0.1:4222}
address=${address#nats://}
login='' password=''
if [[ $address == *@* ]]; then
  login=${address%%:*} password=${address#*:} password=${password%%@*} address=${address#*@}
fi

exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
# Bytes and not characters are counted.
LC_ALL=C
send() { printf '%s\r\n' "$1" >&3; }
publish() { printf 'PUB %s %d\r\n%s\r\n' "$1" "${#2}" "$2" >&3; }
say() { publish "plugin.from.$type" "$(jq -cn --arg worker "$worker" --arg run "$1" "{worker: \$worker, run: \$run} + $2")"; }
hello() {
  publish "plugin.hello.$type" "$(jq -cn --arg worker "$worker" --arg type "$type" '{worker: $worker, manifest: {
    name: $type, version: "1.0.0", description: "Says it louder.",
    input: {type: "object", properties: {text: {type: "string"}}, required: ["text"]},
    output: {type: "object", properties: {text: {type: "string"}}, required: ["text"]}}}')"
}

send "CONNECT $(jq -cn --arg user "$login" --arg pass "$password" '{verbose: false, pedantic: false, lang: "bash", version: "1"} +
  if $user == "" then {} else {user: $user, pass: $pass} end')"
send "SUB plugin.to.$type.$worker 1"
(while sleep 2; do hello; done) &
trap 'kill $! 2>/dev/null' EXIT
hello

while IFS=$' \r' read -r verb _subject _sid size more <&3; do
  case $verb in
    PING) send PONG ;;
    -ERR) echo "the broker refuses: $_subject $_sid $size $more" >&2 ;;
    MSG)
      IFS= read -r -N "${more:-$size}" message <&3
      IFS= read -r _end <&3
      run=$(jq -r .run <<<"$message")
      if [[ $(jq -r .kind <<<"$message") == run ]]; then
        say "$run" '{kind: "accept"}'
        say "$run" "{kind: \"complete\", output: {text: ($(jq -c .input.text <<<"$message") | ascii_upcase)}}"
      fi
      ;;
  esac
done
