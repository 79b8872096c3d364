#!/bin/sh
# make-base-image.sh OUT [NAME]: a base image of the host's static busybox, as any user and without a network.
# OUT ending in .tar becomes a `docker save` archive, anything else a directory with an OCI image layout.
set -eu

out=${1:?usage: make-base-image.sh OUT [NAME]}
name=${2:-busybox:latest}
busybox=$(command -v busybox || true)
[ -n "$busybox" ] || { echo "make-base-image: no busybox here: apt-get install busybox-static" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/scow-base.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022

root=$work/root
mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/home/user" "$root/proc" "$root/root"
mkdir -p "$root/sys" "$root/tmp" "$root/usr/bin" "$root/var/tmp"
chmod 1777 "$root/tmp" "$root/var/tmp"
chmod 0700 "$root/root"
cp "$busybox" "$root/bin/busybox"
chmod 0755 "$root/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
ln -s ../../bin/env "$root/usr/bin/env"
cat >"$root/etc/passwd" <<-END
	root:x:0:0:root:/root:/bin/sh
	daemon:x:1:1:daemon:/usr/sbin:/bin/false
	user:x:1000:1000:user:/home/user:/bin/sh
	nobody:x:65534:65534:nobody:/nonexistent:/bin/false
END
cat >"$root/etc/group" <<-END
	root:x:0:
	daemon:x:1:
	audio:x:29:user
	video:x:44:user
	user:x:1000:
	nogroup:x:65534:
END
echo "a base image of busybox" >"$root/etc/issue"

sum() { sha256sum "$1" | cut -d' ' -f1; }
size() { stat -c %s "$1"; }

# The same bytes every time: names sorted, one time, owners as numbers.
tar --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner --format=ustar -C "$root" -cf "$work/layer.tar" .
diff_id=$(sum "$work/layer.tar")
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
cat >"$work/config.json" <<END
{"architecture":"$arch","os":"linux","created":"2023-11-14T22:13:20Z",
"config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh"],"WorkingDir":"/"},
"rootfs":{"type":"layers","diff_ids":["sha256:$diff_id"]},
"history":[{"created":"2023-11-14T22:13:20Z","created_by":"ADD busybox / # buildkit"},
{"created":"2023-11-14T22:13:20Z","created_by":"CMD [\"sh\"]","empty_layer":true}]}
END
config=$(sum "$work/config.json")

case $out in
*.tar)
	mkdir "$work/save"
	mv "$work/layer.tar" "$work/save/$diff_id.tar"
	mv "$work/config.json" "$work/save/$config.json"
	echo "[{\"Config\":\"$config.json\",\"RepoTags\":[\"$name\"],\"Layers\":[\"$diff_id.tar\"]}]" >"$work/save/manifest.json"
	tar --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -C "$work/save" -cf "$work/out.tar" manifest.json "$config.json" "$diff_id.tar"
	mv "$work/out.tar" "$out"
	;;
*)
	blobs=$out/blobs/sha256
	mkdir -p "$blobs"
	gzip -9n "$work/layer.tar"
	layer=$(sum "$work/layer.tar.gz")
	cat >"$work/manifest.json" <<-END
		{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(size "$work/config.json")},
		"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:$layer","size":$(size "$work/layer.tar.gz")}]}
	END
	manifest=$(sum "$work/manifest.json")
	cat >"$out/index.json" <<-END
		{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$(size "$work/manifest.json"),
		"platform":{"architecture":"$arch","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"$name"}}]}
	END
	echo '{"imageLayoutVersion":"1.0.0"}' >"$out/oci-layout"
	mv "$work/layer.tar.gz" "$blobs/$layer"
	mv "$work/config.json" "$blobs/$config"
	mv "$work/manifest.json" "$blobs/$manifest"
	;;
esac
