#!/bin/sh
# Makes dist/delta-server_VERSION_ARCHITECTURE.deb of the folder that `make folder` makes. The same folder makes the same bytes.
# Installed: the program in /usr/lib/delta-server, the command in /usr/bin, a hardened systemd unit that is started, options in
# /etc/delta-server/delta.toml, data in /var/lib/delta-server, which stays until `apt purge`.
# Usage: sh packaging/deb.sh FOLDER VERSION TARGET-DIRECTORY
set -eu
folder=${1:?"usage: sh packaging/deb.sh FOLDER VERSION TARGET-DIRECTORY"}
version=$2
target=$3
here=$(dirname "$0")
architecture=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1}"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 0755 "$root"
mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib" "$root/lib/systemd/system" "$root/etc/delta-server" \
    "$root/usr/share/doc/delta-server"
cp -R "$folder" "$root/usr/lib/delta-server"
ln -s ../lib/delta-server/delta-server "$root/usr/bin/delta-server"
sed 's#^ExecStart=/usr/local/bin/#ExecStart=/usr/bin/#; /^# systemd unit/,/^\[Unit\]/{/^#/d}' \
    "$here/delta-server.service" > "$root/lib/systemd/system/delta-server.service"
printf '# Options of delta-server; config.example.toml beside the documentation lists all.\n' > "$root/etc/delta-server/delta.toml"
cp "$here/../config.example.toml" "$here/../LICENSE" "$root/usr/share/doc/delta-server/"
mv "$root/usr/share/doc/delta-server/LICENSE" "$root/usr/share/doc/delta-server/copyright"
cp "$here/deb/postinst" "$here/deb/prerm" "$here/deb/postrm" "$root/DEBIAN/"
echo /etc/delta-server/delta.toml > "$root/DEBIAN/conffiles"
chmod -R go-w,a+rX "$root"
chmod 0755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
size=$(du -sk --apparent-size "$root/usr" | cut -f1)
cat > "$root/DEBIAN/control" << END
Package: delta-server
Version: $version
Architecture: $architecture
Maintainer: Delta <delta@localhost>
Installed-Size: $size
Depends: libc6 (>= $(getconf GNU_LIBC_VERSION | cut -d' ' -f2))
Section: database
Priority: optional
Description: keeps the history of your data
 Delta stores snapshots of JSON documents and tells exactly what changed between any two. Events, webhooks, alerts and
 a dashboard are in it; the database too.
END
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$target"
dpkg-deb --root-owner-group -Zzstd -z12 --build "$root" "$target/delta-server_${version}_$architecture.deb" > /dev/null
