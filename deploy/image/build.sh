#!/bin/sh
# The container image that deploy/helm/hearth names: the two programs, the Debian libraries they link, and nothing else.
#
#   build.sh                    builds Release and commits the image hearth:VERSION (buildah)
#   build.sh --archive FILE     the same, as an OCI archive: skopeo, podman load, ctr images import take it
#   build.sh --root DIR [BIN]   only the root folder, from the programs in BIN (default build/release/bin)
#
# From scratch: no shell, no package manager; user 65532; nothing is written to it, so the root may be read-only.
set -eu
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^project(hearth VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)

# Every library of a program, and the loader, as paths.
closure() {
    ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' | sort -u
}

# Which packages the libraries came from, with versions, and what they are licensed under.
provenance() { # ROOT LIBRARY...
    root=$1; shift
    mkdir -p "$root/usr/share/doc" "$root/usr/share/hearth"
    for library in "$@"; do
        file=$(readlink -f "$library")
        dpkg -S "$file" 2> /dev/null || dpkg -S "${file#/usr}" 2> /dev/null || echo "?: $file"
    done | cut -d: -f1 | sort -u > "$root/usr/share/hearth/names"
    while read -r package; do
        dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' "$package" 2> /dev/null | head -1
        [ ! -f "/usr/share/doc/$package/copyright" ] ||
            install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    done < "$root/usr/share/hearth/names" > "$root/usr/share/hearth/packages"
    rm "$root/usr/share/hearth/names"
}

make_root() { # ROOT BIN
    root=$1 bin=$2
    mkdir -p "$root/usr/bin" "$root/etc/hearth" "$root/var/lib/hearth" "$root/proc" "$root/dev" "$root/tmp"
    install -m 755 "$bin/hearth" "$bin/hearthctl" "$root/usr/bin/"
    libraries=$(closure "$bin/hearth" "$bin/hearthctl")
    for library in $libraries; do
        install -D -m 755 "$library" "$root$library"
    done
    # shellcheck disable=SC2086
    provenance "$root" $libraries
    cp -r --parents /usr/lib/locale/C.utf8 "$root" 2> /dev/null || true # widths of characters, for hearthctl
    echo 'hearth:x:65532:65532::/:/nonexistent' > "$root/etc/passwd"
    echo 'hearth:x:65532:' > "$root/etc/group"
    echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
    install -m 644 LICENSE "$root/usr/share/hearth/LICENSE"
    [ "$(id -u)" != 0 ] || chown 65532:65532 "$root/var/lib/hearth"
}

commit_image() { # DESTINATION
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    make_root "$work" build/release/bin
    container=$(buildah from scratch)
    buildah copy -q "$container" "$work" / > /dev/null
    buildah config --user 65532:65532 --entrypoint '["/usr/bin/hearth"]' --cmd '--listen=:4040' --port 4040 \
        --env PATH=/usr/bin --label org.opencontainers.image.title=hearth \
        --label org.opencontainers.image.version="$version" \
        --label org.opencontainers.image.licenses=Apache-2.0 "$container"
    buildah commit -q --rm --timestamp 0 "$container" "$1"
    du -sh "$work" | cut -f1
}

case ${1:-} in
--root)
    [ $# -ge 2 ] || { sed -n '2,8p' "$0"; exit 2; }
    make_root "$2" "${3:-build/release/bin}" ;;
--archive)
    [ $# -eq 2 ] || { sed -n '2,8p' "$0"; exit 2; }
    ./dev build release
    commit_image "oci-archive:$2:hearth:$version" ;;
"")
    ./dev build release
    commit_image "hearth:$version" ;;
*)
    sed -n '2,8p' "$0"
    exit 2 ;;
esac
