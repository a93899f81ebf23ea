#!/bin/sh
# Makes, once, what the services of docker-compose.yml need: a log with its keys, the enrolment of gateway and projector,
# an authority of our own with a certificate for each, and the operator's token. Each service gets a directory of its own
# and can read nothing of the others'. Running it again changes nothing.
#
# To keep offline afterwards: everything in $SECRETS/operator but the token (the root key and the authority's key).
set -eu

DATA=${DATA:-/data}
SECRETS=${SECRETS:-/secrets}
ORIGIN=${LOG_ORIGIN:-localhost/audit}
SLUG=${LOG_SLUG:-audit}
SIGIL=${SIGIL:-sigil}
# Accounts of the containers: ours and nats', and Postgres' in its official image. Empty: leave owners alone.
SIGIL_OWNER=${SIGIL_OWNER-10001:10001}
POSTGRES_OWNER=${POSTGRES_OWNER-999:999}
# A variable that sets the configuration of a role must not reach the commands below.
unset SIGIL_DATA_DIR SIGIL_KEY_FILE SIGIL_PASSPHRASE_FILE SIGIL_KEY

umask 077
done_file=$SECRETS/operator/complete
if [ -e "$done_file" ]; then
    echo "setup: complete already" >&2
    exit 0
fi
for part in operator ledger projector gateway nats postgres; do
    mkdir -p "$SECRETS/$part"
done
mkdir -p "$DATA"

# The log. Its key and its root key lie apart from its data.
operator=$SECRETS/operator
if [ ! -e "$operator/log.trust" ]; then
    "$SIGIL" init --data-dir "$DATA/log" --key-file "$SECRETS/ledger/log.key" --log "$ORIGIN" --slug "$SLUG" \
        --root-key-file "$operator/log.root" --trust-file "$operator/log.trust" >&2
fi
for name in gateway projector; do
    role=$name
    [ "$name" = projector ] && role=reader
    if [ ! -e "$SECRETS/$name/command.key" ]; then
        "$SIGIL" gateway enroll "$name" --role "$role" --data-dir "$DATA/log" --key-file "$SECRETS/ledger/log.key" \
            --command-key-file "$SECRETS/$name/command.key" >&2
    fi
    cp "$operator/log.trust" "$SECRETS/$name/log.trust"
done

# The operator's token; also what cursors are authenticated under, the same on every gateway.
[ -e "$operator/token" ] || openssl rand -hex 24 > "$operator/token"
cp "$operator/token" "$SECRETS/gateway/token"
openssl rand -hex 24 > "$SECRETS/postgres/superuser.password"

# The authority, and a certificate for each: the common name is the role in Postgres, the DNS name the user in NATS and
# the host that is connected to.
if [ ! -e "$operator/ca.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=sigil compose" \
        -keyout "$operator/ca.key" -out "$operator/ca.pem" 2>/dev/null
fi
certificate() { # directory, common name, alternative names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -addext "subjectAltName=$3" \
        -keyout "$SECRETS/$1/tls.key" -out "$SECRETS/$1/tls.csr" 2>/dev/null
    openssl x509 -req -in "$SECRETS/$1/tls.csr" -CA "$operator/ca.pem" -CAkey "$operator/ca.key" -CAcreateserial \
        -copy_extensions copy -days 825 -out "$SECRETS/$1/tls.pem" 2>/dev/null
    rm "$SECRETS/$1/tls.csr"
    cp "$operator/ca.pem" "$SECRETS/$1/ca.pem"
}
certificate ledger sigil_ledger DNS:ledger
certificate projector sigil_projector DNS:projector
certificate gateway sigil_gateway DNS:gateway,DNS:localhost,IP:127.0.0.1
certificate nats nats "DNS:nats,DNS:localhost,IP:127.0.0.1"
certificate postgres postgres "DNS:postgres,DNS:localhost,IP:127.0.0.1"

if [ -n "$SIGIL_OWNER" ]; then
    chown -R "$SIGIL_OWNER" "$DATA" "$SECRETS/ledger" "$SECRETS/projector" "$SECRETS/gateway" "$SECRETS/nats"
    [ -z "${NATS_DATA:-}" ] || chown -R "$SIGIL_OWNER" "$NATS_DATA"
fi
[ -z "$POSTGRES_OWNER" ] || chown -R "$POSTGRES_OWNER" "$SECRETS/postgres"
: > "$done_file"
echo "setup: done; take $operator/log.root and $operator/ca.key offline" >&2
