#!/bin/sh
# A worker elsewhere in a shell: curl, openssl 3 and jq. Counts the words of the first argument.
#
#     SITE=https://www.example.com QUEUES=words ./worker.sh init "words on host7"
#     SITE=https://www.example.com QUEUES=words ./worker.sh            # JOBS=1: ends after one job
#
# KEY is the file of its key [worker.pem]. Tokens go to curl by standard input, so that they do not
# stand in the list of processes.
set -eu
umask 077
SITE=${SITE%/}
KEY=${KEY:-worker.pem}
JOBS=${JOBS:-0}
HERE=$(mktemp -d)
BEATS=
trap 'test -z "$BEATS" || kill "$BEATS" 2>/dev/null; rm -rf "$HERE"' EXIT
trap 'exit 0' INT TERM

# What it does: the claim in, a result out, both as JSON. WORK is a command that does something else.
work() {
    if test -n "${WORK:-}"; then
        sh -c "$WORK"
        return
    fi
    jq -c '{words: (.args[0] // "" | [splits("\\s+") | select(. != "")] | length)}'
}

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

# Who it is: the public key, and its thumbprint (RFC 7638).
test -e "$KEY" || openssl genpkey -algorithm ed25519 -out "$KEY"
X=$(openssl pkey -in "$KEY" -pubout -outform DER | tail -c 32 | base64url)
JWK="{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"$X\"}"
ID=$(printf %s "$JWK" | openssl dgst -sha256 -binary | base64url)

# A proof that the key is its own: good once, for a minute.
assertion() {
    now=$(date +%s)
    jti=$(openssl rand -hex 16)
    header=$(printf '{"alg":"EdDSA","typ":"JWT","kid":"%s"}' "$ID" | base64url)
    claims=$(printf '{"iss":"%s","sub":"%s","aud":"%s","iat":%d,"exp":%d,"jti":"%s"}' \
        "$ID" "$ID" "$SITE" "$now" "$((now + 60))" "$jti" | base64url)
    printf %s "$header.$claims" >"$HERE/signed"  # openssl wants a file to sign it in one go
    printf %s "$header.$claims.$(openssl pkeyutl -sign -rawin -inkey "$KEY" -in "$HERE/signed" | base64url)"
}

# post PATH TOKEN SECONDS FILE <BODY: the answer goes to FILE, its status to standard output.
post() {
    cat >"$4.sent"
    printf 'header = "Authorization: Bearer %s"\n' "$2" |
        curl --silent --config - --max-time "$3" --output "$4" --write-out '%{http_code}' \
            --header 'Content-Type: application/json' --header 'Accept: application/json' \
            --data-binary "@$4.sent" "$SITE/$1" || true
}

# is_away STATUS: no answer, too many requests, or a server that cannot answer now
is_away() {
    case $1 in 000 | 429 | 5??) return 0 ;; esac
    return 1
}

token() {
    body=$(jq -nc --arg assertion "$(assertion)" '{
        grant_type: "client_credentials",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: $assertion}')
    status=$(printf %s "$body" | post @token "" 30 "$HERE/token")
    test "$status" = 200 && jq -r .access_token "$HERE/token" && return
    echo "no token: $status $(jq -r '.error_description // empty' "$HERE/token" 2>/dev/null)" >&2
}

# Each third of the lease; ends when the claim is lost (409), or with the job.
heartbeats() {
    while sleep "$(($3 / 3 > 0 ? $3 / 3 : 1))"; do
        status=$(echo '{}' | post "@jobs/$1/heartbeat" "$2" 30 "$HERE/beat")
        test "$status" = 200 || is_away "$status" || break
    done
}

do_job() {
    job=$(jq -r .job "$HERE/claim")
    claim=$(jq -r .claim "$HERE/claim")
    lease=$(jq -r '.lease | floor' "$HERE/claim")
    heartbeats "$job" "$claim" "$lease" &
    BEATS=$!
    if work <"$HERE/claim" >"$HERE/result"; then
        verb=complete
        jq -c '{result: .}' "$HERE/result" >"$HERE/end"
    else
        verb=fail
        echo '{"error": "The shell could not do it."}' >"$HERE/end"
    fi
    until=$(($(date +%s) + lease))
    while :; do
        status=$(post "@jobs/$job/$verb" "$claim" 30 "$HERE/said" <"$HERE/end")
        is_away "$status" && test "$(date +%s)" -lt "$until" || break
        sleep 1
    done
    kill "$BEATS" 2>/dev/null || true
    BEATS=
    echo "job $job: $verb, $status $(jq -r '.state // empty' "$HERE/said" 2>/dev/null)"
}

run() {
    key=$(openssl rand -hex 16)  # the same until there is an answer: none is lost
    bearer=$(token)
    done=0
    while :; do
        jq -nc --arg queues "$QUEUES" --arg key "$key" \
            '{queues: ($queues | split(",")), wait: 50, key: $key}' >"$HERE/asked"
        status=$(post @jobs/claim "$bearer" 80 "$HERE/claim" <"$HERE/asked")
        case $status in
        200) do_job && done=$((done + 1)) ;;
        204) sleep 1 ;;
        401) sleep 2 && bearer=$(token) && continue ;;
        *) echo "no claim: $status" >&2 && sleep 2 && continue ;;
        esac
        key=$(openssl rand -hex 16)
        test "$JOBS" = 0 || test "$done" -lt "$JOBS" || break
    done
}

case ${1:-run} in
init)
    jq -nc --argjson jwk "$JWK" --arg queues "$QUEUES" --arg name "${2:-a worker in a shell}" \
        --arg assertion "$(assertion)" \
        '{jwk: $jwk, name: $name, queues: ($queues | split(",")), assertion: $assertion}' |
        post @workers "" 30 "$HERE/said" >/dev/null
    echo "Fingerprint: $(printf %s "$ID" | fold -w 4 | paste -sd ' ' -)"
    jq -r '.state // .message' "$HERE/said"
    ;;
run) run ;;
esac
