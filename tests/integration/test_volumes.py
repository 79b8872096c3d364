#!/usr/bin/env python3
"""Volumes and mounts on the command line: what Docker's users expect of them, and what hostile trees try."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cli  # noqa: E402
from cli import entry  # noqa: E402


def setUpModule():
    Volumes.WORK = cli.make_work("scow-volumes.")


def tearDownModule():
    shutil.rmtree(Volumes.WORK, ignore_errors=True)


class Volumes(cli.Cli):
    def tearDown(self):
        for name in self.scow("ps", "-aq").stdout.split():
            self.scow("rm", "-fv", name)
        for name in self.names():
            self.scow("volume", "rm", name)
        self.assertEqual(self.names(), [])

    def names(self, *filters):
        return self.ok("volume", "ls", "-q", *(word for f in filters for word in ("-f", f))).split()

    def ok(self, *args, **kwargs):
        return super().ok(*args, **kwargs).strip()

    def inspect(self, what, format="{{json .}}"):
        return json.loads(self.ok("inspect", "-f", format, what))

    def directory(self):
        path = tempfile.mkdtemp(prefix="dir.", dir=self.WORK)
        os.chmod(path, 0o755)
        self.addCleanup(shutil.rmtree, path, True)
        return path

    # ---- the commands ----

    def test_life_of_a_volume(self):
        self.assertEqual(self.ok("volume", "create", "--label", "a=b", "data"), "data")
        self.assertEqual(self.ok("volume", "create", "data"), "data")  # found
        self.fails("exists already", "volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "data")
        anonymous = self.ok("volume", "create")
        self.assertRegex(anonymous, "^[0-9a-f]{64}$")
        document = json.loads(self.ok("volume", "inspect", "data"))[0]
        self.assertEqual(document["Mountpoint"], f"{self.root}/volumes/data/_data")
        self.assertEqual((document["Driver"], document["Scope"], document["Labels"], document["Options"]), ("local", "local", {"a": "b"}, None))
        self.assertEqual(self.names("label=a"), ["data"])
        self.assertEqual(self.names("label=a=c"), [])
        self.assertEqual(self.names("name=dat"), ["data"])
        self.fails("no such volume", "volume", "rm", "nothing")
        self.assertEqual(self.ok("volume", "rm", "-f", "nothing"), "nothing")
        self.run_ok("-v", "data:/data", "base", "sh", "-c", "echo kept >/data/file")
        self.assertEqual(self.run_ok("-v", "data:/data:ro", "base", "cat", "/data/file"), "kept\n")
        self.ok("create", "--name", "user", "-v", "data:/data", "base", "true")
        self.fails("in use by container 'user'", "volume", "rm", "data")
        self.assertEqual(self.names("dangling=true"), [anonymous])
        df = json.loads(self.ok("system", "df", "-v", "--format", "json"))
        self.assertEqual({v["Name"]: v["UsageData"] for v in df["Volumes"]},
                         {"data": {"Size": 5, "RefCount": 1}, anonymous: {"Size": 0, "RefCount": 0}})
        self.ok("rm", "user")
        self.assertIn(anonymous, self.ok("volume", "prune", "-f"))
        self.assertEqual(self.names(), ["data"])
        self.assertIn("data", self.ok("volume", "prune", "-af"))
        self.assertFalse(os.path.exists(f"{self.root}/volumes/data"))

    def test_bad_words(self):
        for words, spec in (("includes invalid characters", "a/b:/x"), ("empty section", ":/x"), ("empty section", "/a::ro"),
                            ("too many colons", "/a:/b:ro:z"), ("needs a source", "/x:ro"), ("invalid volume", "aa:/b:ro:c"),
                            ("root of a container", "aa:/")):
            with self.subTest(spec):
                self.fails(words, "create", "-v", spec, "base")
        for words, spec in (("target is required", "type=bind,src=/tmp"), ("source is required", "type=bind,dst=/x"),
                            ("unexpected key 'foo'", "foo=bar,dst=/x"), ("must be a key=value pair", "type=bind,whatever"),
                            ("invalid value for readonly", "type=bind,src=/a,dst=/b,readonly=maybe"), ("cannot mix", "type=tmpfs,dst=/x,volume-nocopy"),
                            ("cannot mix", "dst=/x,tmpfs-size=1m"), ("not a type of mount", "type=floppy,dst=/x"),
                            ("leads out", "src=vol,dst=/x,volume-subpath=../y"), ("invalid value for bind-recursive", "type=bind,src=/a,dst=/b,bind-recursive=x")):
            with self.subTest(spec):
                self.fails(words, "create", "--mount", spec, "base")

    def test_anonymous_ones_go_with_their_container(self):
        self.ok("volume", "create", "named")
        self.run_ok("-v", "/anonymous", "-v", "named:/named", "base", "touch", "/anonymous/x")
        self.assertEqual(self.names(), ["named"])
        self.ok("create", "--name", "cont", "-v", "/anonymous", "-v", "named:/named", "base", "true")
        self.assertEqual(len(self.names()), 2)
        self.ok("rm", "cont")
        self.assertEqual(len(self.names()), 2)  # without -v it stays
        self.ok("volume", "prune", "-f")
        self.ok("create", "--name", "cont", "-v", "/anonymous", "-v", "named:/named", "base", "true")
        self.ok("rm", "-v", "cont")
        self.assertEqual(self.names(), ["named"])

    def test_volumes_of_the_image(self):
        image = self.make_image("declares", {"var/data": entry("var/data", tarfile.DIRTYPE, mode=0o1770, uid=7, gid=8),
                                             "var/data/file": b"from the image\n"}, Volumes={"/var/data": {}, "/../../other/": {}})
        self.ok("create", "--name", "cont", image, "sh", "-c", "cat /var/data/file; stat -c '%a %u %g' /var/data; echo x >/var/data/file")
        mounts = {m["Destination"]: m for m in self.inspect("cont", "{{json .Mounts}}")}
        self.assertEqual(sorted(mounts), ["/other", "/var/data"])
        self.assertEqual({k: v for k, v in mounts["/var/data"].items() if k not in ("Name", "Source")},
                         {"Type": "volume", "Destination": "/var/data", "Driver": "local", "Mode": "", "RW": True, "Propagation": ""})
        self.assertEqual(self.ok("start", "-a", "cont"), "from the image\n1770 7 8")
        self.assertEqual(self.ok("start", "-a", "cont"), "x\n1770 7 8")
        # Another takes them over, and does not get a copy of its own.
        self.assertEqual(self.run_ok("--volumes-from", "cont", image, "cat", "/var/data/file"), "x\n")
        self.run_fails(1, "Read-only", "--volumes-from", "cont:ro", image, "touch", "/var/data/y")
        self.assertEqual(len(self.names()), 2)
        self.ok("rm", "-v", "cont")
        self.assertEqual(self.names(), [])

    def test_copy_up(self):
        place = entry("seed", tarfile.DIRTYPE, mode=0o750, uid=5)
        place.pax_headers = {"SCHILY.xattr.user.note": "kept"}
        image = self.make_image("seeds", {"seed": place, "seed/a": b"a", "seed/d/b": b"b",
                                          "seed/link": entry("seed/link", tarfile.SYMTYPE, linkname="/etc/passwd"), "plain": b"file"})
        look = "stat -c '%a %u' /x; ls /x; readlink /x/link || :"
        self.assertEqual(self.run_ok("-v", "vol:/seed", image, "sh", "-c", look.replace("/x", "/seed")), "750 5\na\nd\nlink\n/etc/passwd\n")
        self.assertEqual(os.getxattr(f"{self.root}/volumes/vol/_data", "user.note"), b"kept")
        # Not again, not where there is something, not with nocopy, not for a bind, and not of a file.
        self.ok("volume", "create", "full")
        self.run_ok("-v", "full:/f", "base", "touch", "/f/mine")
        self.assertEqual(self.run_ok("-v", "full:/seed", image, "ls", "/seed"), "mine\n")
        self.assertEqual(self.run_ok("-v", "none:/seed:nocopy", image, "ls", "/seed"), "")
        self.assertEqual(self.run_ok("--mount", "src=none2,dst=/seed,volume-nocopy", image, "ls", "/seed"), "")
        self.assertEqual(self.run_ok("-v", f"{self.directory()}:/seed", image, "ls", "/seed"), "")
        self.run_fails(127, "Not a directory", "-v", "file:/plain", image, "true")

    def test_many_at_once_fill_one_volume_once(self):
        image = self.make_image("many", {f"seed/{i}": b"x" * 100 for i in range(300)})
        started = [self.spawn("run", "--rm", "-v", "shared:/seed", image, "sh", "-c", "ls /seed | wc -l", stdout=subprocess.PIPE)
                   for _ in range(16)]
        self.assertEqual([p.communicate(timeout=60)[0] for p in started], ["300\n"] * 16)
        self.assertEqual(self.names(), ["shared"])

    def test_copies_with_one_that_is_stopped(self):
        """As Docker: cp goes to volumes and binds, also while nothing runs (row 52)."""
        host, here = pathlib.Path(self.directory()), pathlib.Path(self.directory())
        (host / "kept").write_text("of the host")
        image = self.make_image("cp", {"seed/a": b"of the image"})
        self.ok("create", "--name", "cc", "--tmpfs", "/t", "-v", "vol:/seed", "-v", f"{host}:/b", "-v", f"{host}:/ro:ro", "--mount",
                f"type=image,src={image},dst=/i,image-subpath=seed", image, "true")
        (here / "new").write_text("new")
        self.ok("cp", "-q", f"{here}/new", "cc:/seed/")
        self.ok("cp", "-q", f"{here}/new", "cc:/b/")
        self.assertEqual((host / "new").read_text(), "new")
        self.assertEqual(self.run_ok("-v", "vol:/v", "base", "cat", "/v/a", "/v/new"), "of the imagenew")
        for path, text in (("b/kept", "of the host"), ("ro/kept", "of the host"), ("i/a", "of the image"), ("seed/new", "new")):
            self.ok("cp", "-q", f"cc:/{path}", f"{here}/out")
            self.assertEqual((here / "out").read_text(), text)
        self.fails("read-only", "cp", f"{here}/new", "cc:/ro/x")
        self.fails("read-only", "cp", f"{here}/new", "cc:/i/")
        # Links of a volume lead nowhere but to the container's own files.
        (host / "out").symlink_to(here)
        self.fails("", "cp", f"{here}/new", "cc:/b/out/")
        self.assertEqual(sorted(os.listdir(here)), ["new", "out"])
        # Of one with a read-only root, a volume takes what the root does not.
        self.ok("create", "--name", "dd", "--read-only", "-v", "vol:/v", "base", "true")
        self.ok("cp", "-q", f"{here}/new", "dd:/v/more")
        self.fails("read-only", "cp", f"{here}/new", "dd:/x")
        self.ok("export", "-o", f"{here}/out", "cc")
        with tarfile.open(here / "out") as tar:
            self.assertFalse([name for name in tar.getnames() if name.endswith(("kept", "new"))])

    def test_copies_with_one_that_is_stopped_in_a_user_namespace(self):
        host, here = pathlib.Path(self.directory()), pathlib.Path(self.directory())
        (here / "new").write_text("new")
        self.ok("create", "--name", "cc", "--userns", "auto", "-v", "vol:/v", "-v", f"{host}:/b", "base", "sh", "-c", "stat -c %u /v/new /b/new")
        os.chmod(host, 0o777)
        self.ok("cp", "-q", f"{here}/new", "cc:/v/")
        self.ok("cp", "-q", f"{here}/new", "cc:/b/")
        self.assertEqual(self.scow("start", "-a", "cc").stdout, "0\n0\n")
        self.assertGreater(os.stat(host / "new").st_uid, 0)

    def test_subpath(self):
        self.run_ok("-v", "vol:/v", "base", "sh", "-c", "mkdir -p /v/a/b; echo in >/v/a/b/f; ln -s /a/b /v/link; ln -s ../../../etc /v/out")
        self.assertEqual(self.run_ok("--mount", "src=vol,dst=/x,volume-subpath=a/b", "base", "cat", "/x/f"), "in\n")
        self.assertEqual(self.run_ok("--mount", "src=vol,dst=/x,volume-subpath=link", "base", "cat", "/x/f"), "in\n")
        self.assertEqual(self.run_ok("--mount", "src=vol,dst=/x,volume-subpath=a/b/f", "base", "cat", "/x"), "in\n")
        self.run_fails(125, "", "--mount", "src=vol,dst=/x,volume-subpath=out", "base", "ls", "/x")
        self.run_fails(125, "", "--mount", "src=vol,dst=/x,volume-subpath=missing", "base", "true")

    def test_subpath_against_a_container_that_swaps_links(self):
        """CVE-2021-30465's family: the place is a directory of the volume at one moment, a link to the host's root at the next."""
        secret = self.directory()
        pathlib.Path(secret, "secret").write_text("of the host")
        self.run_ok("-v", "vol:/v", "base", "sh", "-c", f"mkdir /v/a; ln -s {secret} /v/b; ln -s /../../../../../..{secret} /v/c")
        swapper = self.spawn("run", "--rm", "-v", "vol:/v", *self.with_probe(), "base", "/probe", "swap", "/v/a", "/v/b", "20")
        time.sleep(0.3)
        for _ in range(12):
            done = self.scow("run", "--rm", "--mount", "src=vol,dst=/x,volume-subpath=a", "base", "ls", "/x")
            self.assertNotIn("secret", done.stdout)
        swapper.send_signal(signal.SIGKILL)

    def test_target_against_a_container_that_swaps_links(self):
        """Two share a volume; one swaps a link into the path on which the other's mount goes."""
        victim = self.directory()
        self.run_ok("-v", "vol:/v", "base", "sh", "-c", f"mkdir -p /v/a; ln -s {victim} /v/b")
        swapper = self.spawn("run", "--rm", "--name", "swapper", "-v", "vol:/v", *self.with_probe(), "base", "/probe", "swap", "/v/a", "/v/b", "20")
        time.sleep(0.3)
        self.ok("create", "--name", "still", "-v", "vol:/v", "-v", "wol:/v/a/inner", "base", "true")
        for n in range(12):
            self.scow("run", "--rm", "-v", "vol:/v", "-v", "wol:/v/a/inner", "base", "sh", "-c", "touch /v/a/inner/x")
            self.assertEqual(os.listdir(victim), [])
            # The same in the tree of one that does not run, in an overlay, and in one that runs.
            self.scow("cp", "-q", __file__, "still:/v/a/inner/" if n % 2 else "still:/v/a/")
            self.assertEqual(os.listdir(victim), [])
            self.scow("run", "--rm", "-v", "vol:/v:O", "-v", "wol:/v/a/inner", "base", "sh", "-c", "touch /v/a/inner/x /v/a/x")
            self.assertEqual(os.listdir(victim), [])
            if self.scow("mount", "swapper", f"type=volume,src=wol,dst=/v/a/inner{n}").returncode == 0:
                self.scow("unmount", "swapper", f"/v/a/inner{n}")
            self.assertEqual(os.listdir(victim), [])
        swapper.send_signal(signal.SIGKILL)

    def test_hostile_image_paths(self):
        """CVE-2022-23648: a volume's path in the image is a link, or climbs, to read the host's files."""
        secret = self.directory()
        pathlib.Path(secret, "secret").write_text("of the host")
        image = self.make_image("hostile", {"vol": entry("vol", tarfile.SYMTYPE, linkname=f"/../../../../..{secret}")},
                                Volumes={"/vol": {}, f"/../../../../..{secret}": {}})
        done = self.scow("run", "--rm", image, "sh", "-c", f"ls /vol {secret}")
        self.assertNotIn("\nsecret\n", f"\n{done.stdout}\n")
        self.fails("the root", "create", self.make_image("rooted", {"x": b""}, Volumes={"/": {}}), "true")

    # ---- kinds of mounts ----

    def test_options_of_local_volumes(self):
        where = self.directory()
        self.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={where}", "bound")
        self.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=9", "memory")
        self.run_ok("-v", "bound:/b", "base", "touch", "/b/x")
        self.assertEqual(os.listdir(where), ["x"])
        self.fails("'size' cannot be: the file system of the store is neither ext4 nor XFS", "volume", "create", "-o", "size=10m", "small")
        self.fails("o=size=10m", "volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "size=10m", "small")
        self.fails("is no size", "volume", "create", "-o", "size=ten", "small")
        self.assertRegex(self.run_ok("-v", "memory:/m", "base", "sh", "-c", "stat -c %u /m; grep ' /m ' /proc/mounts"), "^9\ntmpfs /m tmpfs .*size=1024k")
        # The kernel's word on a file system that it has not, or that is not there.
        self.ok("volume", "create", "-o", "type=nosuchfs", "-o", "device=:/export", "-o", "o=addr=127.0.0.1,ro", "far")
        self.run_fails(125, "mount 'nosuchfs' at '/far': No such device", "-v", "far:/far", "base", "true")
        self.ok("volume", "rm", "far")
        self.fails("not an option of the driver", "volume", "create", "-o", "colour=red", "xx")
        self.fails("absolute path", "volume", "create", "-o", "o=bind", "xx")
        self.fails("no volume driver 'nfs'", "volume", "create", "-d", "nfs", "xx")
        self.ok("volume", "rm", "bound", "memory")
        self.assertEqual(os.listdir(where), ["x"])

    def test_image_mounts(self):
        self.make_image("library", {"opt/a/f": b"from the image", "etc/motd": b"hi"})
        mount = "type=image,src=library,dst=/lib2"
        self.assertEqual(self.run_ok("--mount", mount, "base", "cat", "/lib2/opt/a/f"), "from the image")
        self.assertEqual(self.run_ok("--mount", mount + ",image-subpath=opt/a", "base", "ls", "/lib2"), "f\n")
        self.assertEqual(self.run_ok("--mount", "type=image,src=base,dst=/one", "base", "sh", "-c", "test -d /one/bin && echo yes"), "yes\n")
        self.run_fails(1, "Read-only", "--mount", mount, "base", "touch", "/lib2/x")
        self.run_fails(125, "no such image", "--mount", "type=image,src=nothing,dst=/x", "base", "true")
        self.ok("create", "--name", "cont", "--mount", mount, "base", "true")
        self.assertEqual(self.inspect("cont", "{{json .Mounts}}")[0]["Type"], "image")
        self.fails("uses it", "rmi", "library")
        self.ok("rm", "cont")
        self.ok("rmi", "library")

    def test_mounts_lie_in_each_other(self):
        where = self.directory()
        os.makedirs(f"{where}/sub")
        self.assertEqual(self.run_ok("-v", "vol:/a/sub/deep", "--tmpfs", "/a/t", "-v", f"{where}:/a", "base", "sh", "-c",
                                     "touch /a/sub/deep/x /a/t/y; ls /a"), "sub\nt\n")
        self.assertEqual(os.listdir(f"{where}/sub/deep"), [])

    def test_the_forms_of_a_bind(self):
        where = self.directory()
        self.run_ok("-v", f"{where}/new/one:/x", "base", "true")
        self.assertTrue(os.path.isdir(f"{where}/new/one"))
        self.run_fails(125, "No such file", "--mount", f"type=bind,src={where}/other,dst=/x", "base", "true")
        self.run_ok("--mount", f"type=bind,src={where}/other,dst=/x,bind-create-src", "base", "true")
        self.assertTrue(os.path.isdir(f"{where}/other"))
        self.run_fails(1, "Read-only", "--mount", f'type=bind,"src={where}",dst=/x,ro', "base", "touch", "/x/y")
        done = self.scow("run", "--rm", "-v", "./here:/x", "base", "touch", "/x/y", cwd=where)
        self.assertEqual((done.returncode, os.listdir(f"{where}/here")), (0, ["y"]), done)

    def test_propagation(self):
        """What the host mounts later arrives where it was asked for, and nowhere else (in a mount namespace of the test's own)."""
        where = self.directory()
        script = f"""set -e; mount -t tmpfs t {where}; mount --make-shared {where}; mkdir {where}/a
            for mode in rslave rshared rprivate; do {cli.SCOW} run -d --name c-$mode -v {where}:/x:$mode base sleep 100 >/dev/null; done
            mount -t tmpfs new {where}/a; touch {where}/a/file
            for mode in rslave rshared rprivate; do echo $mode $({cli.SCOW} exec c-$mode ls /x/a); done"""
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ("rslave file\nrshared file\nrprivate\n", ""))

    def test_mountinfo(self):
        """All that is mounted in a container (row 85), word for word; what the host has not (parts of /proc, cgroup hierarchies) apart."""
        quiet, small = "nosuid,nodev,noexec,relatime", "nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=1024k,mode=755"
        expected = f"""/proc rw,{quiet} - proc proc rw
/dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
/sys ro,{quiet} - sysfs sysfs ro
/dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666
/dev/mqueue rw,{quiet} - mqueue mqueue rw
/dev/shm rw,{quiet} - tmpfs shm rw,size=65536k
/etc/hostname rw,{small}
/etc/hosts rw,{small}
/etc/resolv.conf rw,{small}
/t rw,{quiet} - tmpfs tmpfs rw,size=2048k
/x ro,noexec,relatime
/proc/bus ro,{quiet} - proc proc rw
/proc/fs ro,{quiet} - proc proc rw
/proc/irq ro,{quiet} - proc proc rw
/proc/sys ro,{quiet} - proc proc rw
/sys/firmware ro,{quiet} - tmpfs tmpfs rw,size=0k,nr_inodes=1"""
        seen = {}
        for line in self.run_ok("--tmpfs", "/t:size=2m,mode=1777", "-v", "vol:/x:ro,noexec", "base", "cat", "/proc/self/mountinfo").splitlines():
            words = line.split(" ", 4)[4]
            seen[words.split()[0]] = words
        self.assertIn(" - overlay overlay ", seen.pop("/"))
        seen["/x"] = seen["/x"].split(" - ")[0]
        masked = {target for target in seen if target in ("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                                                          "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
                                                          "/proc/sysrq-trigger", "/sys/devices/virtual/powercap")}
        masked |= {target for target in seen if target.startswith(("/sys/fs/cgroup", "/sys/devices/system/cpu/"))}
        self.assertEqual([seen[target] for target in sorted(seen.keys() - masked)], sorted(expected.splitlines(), key=lambda line: line.split()[0]))

    def test_recursive_read_only(self):
        """What is mounted below a read-only bind is read-only, too, unless it is asked otherwise (row 84)."""
        where = self.directory()
        script = f"""set -e; mount -t tmpfs t {where}; mkdir {where}/a; mount -t tmpfs t {where}/a
            for more in "" ,bind-recursive=writable ,bind-recursive=disabled; do
            {cli.SCOW} run --rm --mount type=bind,src={where},dst=/x,ro$more base sh -c 'touch /x/f 2>/dev/null && echo top; touch /x/a/f 2>/dev/null && echo below; ls -A /x/a'
            echo .; done"""
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), (".\nbelow\nf\n.\n.\n", ""))

    def test_a_document_keeps_all_of_it(self):
        self.ok("create", "--name", "cont", "-v", "vol:/v:ro", "-v", "/anonymous", "--mount", "src=wol,dst=/w,volume-subpath=a,volume-label=k=v",
                "--volume-driver", "local", "base", "true")
        host = self.inspect("cont", "{{json .HostConfig}}")
        self.assertEqual(host["Binds"], ["vol:/v:ro"])
        self.assertEqual(host["Mounts"], [{"Type": "volume", "Source": "wol", "Target": "/w", "VolumeOptions": {"Subpath": "a", "Labels": {"k": "v"}}}])
        self.assertEqual(self.inspect("cont", "{{json .Config.Volumes}}"), {"/anonymous": {}})
        self.assertEqual(self.inspect("wol", "{{json .Labels}}"), {"k": "v"})

    def test_events(self):
        self.run_ok("-v", "told:/v:ro", "base", "true")
        self.ok("volume", "rm", "told")
        out = self.ok("events", "--since", "0", "--until", str(int(time.time()) + 1), "-f", "type=volume", "-f", "volume=told", "--format", "{{json .}}")
        seen = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([e["Action"] for e in seen], ["create", "mount", "unmount", "destroy"])
        attributes = seen[1]["Actor"]["Attributes"]
        self.assertEqual((attributes["destination"], attributes["read/write"], attributes["driver"]), ("/v", "false", "local"))

    def test_killed_in_the_middle(self):
        image = self.make_image("big", {f"seed/{i}": b"x" * 2000 for i in range(2000)})
        for delay in (0.01, 0.03, 0.06, 0.1):
            process = self.spawn("create", "-v", "vol:/seed", "-v", "/anonymous", image, "true", stdout=subprocess.DEVNULL)
            time.sleep(delay)
            process.kill()
            process.wait()
        self.assertEqual(self.run_ok("-v", "vol:/seed", image, "sh", "-c", "ls /seed | wc -l"), "2000\n")

    def test_detached_and_exec(self):
        self.ok("run", "-d", "--name", "cont", "-v", "vol:/v", "base", "sleep", "100")
        self.ok("exec", "cont", "sh", "-c", "echo there >/v/f")
        self.assertEqual(self.run_ok("-v", "vol:/v", "base", "cat", "/v/f"), "there\n")
        self.ok("restart", "-t", "0", "cont")
        self.assertEqual(self.ok("exec", "cont", "cat", "/v/f"), "there")
        self.fails("in use", "volume", "rm", "vol")

    def test_changes_that_are_thrown_away(self):
        """-v SRC:DST:O (row 86): the container sees and changes the files, and those who own them do not see it."""
        host = pathlib.Path(self.directory())
        (host / "sub").mkdir()
        (host / "file").write_text("old")
        os.chown(host, 5, 6)
        os.chmod(host, 0o750)
        self.run_ok("-v", "vol:/v", "base", "sh", "-c", "printf old >/v/file")
        self.run_ok("-v", "ids:/v", "base", "sh", "-c", "printf old >/v/file; mkdir /v/sub; chmod 750 /v; chown 5:6 /v")
        change = "stat -c '%a %u %g' /b; cat /b/file /v/file; echo new | tee /b/file /v/file /b/sub/x; rm /b/file; ls /b /v"
        for more in ([], ["--userns", "auto"], ["--storage-opt", "backing=tmpfs"]):
            with self.subTest(more):
                where = "ids" if "--userns" in more else host # whose owners the container knows
                self.ok("create", "--name", "cont", *more, "-v", f"{where}:/b:O", "-v", "vol:/v:O", "base", "sh", "-c", change)
                for _ in range(2): # also the second run begins with what is below
                    out = self.ok("start", "-a", "cont").split("\n")
                    self.assertEqual(out[0], "750 5 6")
                    self.assertEqual(out[1:], ["oldoldnew", "/b:", "sub", "", "/v:", "file"])
                self.ok("rm", "cont")
        self.assertEqual(((host / "file").read_text(), os.listdir(host / "sub")), ("old", []))
        self.assertEqual(self.run_ok("-v", "vol:/v", "base", "cat", "/v/file"), "old")
        # A part of a volume, whose links lead nowhere; a mount that comes while it runs.
        self.assertEqual(self.run_ok("--mount", f"type=bind,src={host},dst=/x,overlay=true", "base", "sh", "-c", "echo 1 >/x/file; cat /x/file"), "1\n")
        self.ok("run", "-d", "--name", "cont", "base", "sleep", "100")
        self.ok("mount", "cont", f"type=bind,src={host},dst=/m,overlay=true")
        self.ok("exec", "cont", "sh", "-c", "echo more >>/m/file")
        self.assertEqual(self.ok("exec", "cont", "cat", "/m/file"), "oldmore")
        self.assertEqual((host / "file").read_text(), "old")
        self.run_fails(125, "goes with none of", "-v", f"{host}:/x:O,ro", "base", "true")
        self.run_fails(125, "Not a directory", "-v", f"{host}/file:/x:O", "base", "true")

    def test_mount_while_it_runs(self):
        where = self.directory()
        pathlib.Path(where, "file").write_text("of the host")
        for more in ([], ["--userns", "auto"]):
            with self.subTest(more):
                self.ok("run", "-d", "--name", "cont", *more, "base", "sh", "-c", "until cat /m/file 2>/dev/null; do sleep 0.01; done; exec sleep 100")
                self.ok("mount", "cont", f"type=bind,src={where},dst=/m,ro")
                self.assertEqual(self.ok("exec", "cont", "cat", "/m/file"), "of the host")
                self.fails("Read-only", "exec", "cont", "touch", "/m/x")
                self.fails("two mounts", "mount", "cont", "type=tmpfs,dst=/m")
                self.ok("mount", "cont", "type=volume,src=vol,dst=/etc/vol")
                self.ok("exec", "cont", "touch", "/etc/vol/x")
                self.ok("mount", "cont", "type=tmpfs,dst=/t,tmpfs-size=1m")
                self.assertIn("size=1024k", self.ok("exec", "cont", "grep", " /t ", "/proc/mounts"))
                self.ok("mount", "cont", f"type=bind,src={where}/file,dst=/one")
                self.assertEqual(self.ok("exec", "cont", "cat", "/one"), "of the host")
                self.fails("in use", "volume", "rm", "vol")
                self.ok("unmount", "cont", "/m")
                self.ok("unmount", "cont", "/one")
                self.fails("no mount on", "unmount", "cont", "/m")
                self.fails("No such file", "exec", "cont", "ls", "/m/file")
                self.ok("restart", "-t", "0", "cont")
                self.assertEqual(self.ok("exec", "cont", "ls", "/etc/vol"), "x")
                self.ok("unmount", "cont", "/etc/vol")
                self.ok("rm", "-f", "cont")
                self.ok("volume", "rm", "vol")
        with open("/proc/self/mountinfo") as mounts:
            self.assertNotIn(where, mounts.read())

    def test_mounts_are_there_after_a_restart_by_policy(self):
        """What was mounted while it ran (row 88) is saved: its supervisor's runs have it, and those of a start by hand."""
        first, where = self.directory(), self.directory()
        pathlib.Path(where, "file").write_text("of the host")
        for more in ([], ["--userns", "auto"]):
            with self.subTest(more):
                self.ok("run", "-d", "--name", "cont", "--restart", "always", *more, "-v", f"{first}:/first", "base", "sleep", "100")
                self.ok("mount", "cont", f"type=bind,src={where},dst=/m,ro")
                self.ok("mount", "cont", "type=volume,src=vol,dst=/m2/vol")
                self.ok("mount", "cont", "type=tmpfs,dst=/t,tmpfs-size=1m")
                self.ok("mount", "cont", f"type=bind,src={where}/file,dst=/one")
                self.ok("mount", "cont", f"type=bind,src={first},dst=/gone")
                self.ok("unmount", "cont", "/gone")
                self.ok("unmount", "cont", "/first")
                self.ok("exec", "cont", "touch", "/m2/vol/x")
                seen = self.mounts_of("cont")
                self.assertFalse({"/gone", "/first"} & seen)
                self.assertTrue({"/m", "/m2/vol", "/t", "/one"} <= seen)
                self.restart_by_policy("cont")
                self.assertEqual(self.mounts_of("cont"), seen)
                self.assertEqual(self.ok("exec", "cont", "cat", "/m/file", "/one"), "of the hostof the host")
                self.assertEqual(self.ok("exec", "cont", "ls", "/m2/vol"), "x")
                self.fails("Read-only", "exec", "cont", "touch", "/m/x")
                self.ok("mount", "cont", f"type=bind,src={where},dst=/first")
                self.ok("unmount", "cont", "/one")
                self.restart_by_policy("cont")
                self.assertEqual(self.ok("exec", "cont", "ls", "/first"), "file")
                self.assertNotIn("/one", self.mounts_of("cont"))
                self.ok("restart", "-t", "0", "cont")
                self.assertTrue({"/m", "/m2/vol", "/t", "/first"} <= self.mounts_of("cont"))
                self.ok("unmount", "cont", "/m2/vol")
                self.restart_by_policy("cont")
                self.assertNotIn("/m2/vol", self.mounts_of("cont"))
                self.ok("rm", "-f", "cont")
                self.ok("volume", "rm", "vol")

    def mounts_of(self, name):
        return {line.split()[4] for line in self.ok("exec", name, "cat", "/proc/1/mountinfo").split("\n")}

    def restart_by_policy(self, name):
        state = self.inspect(name, "{{json .State}}")
        os.kill(state["Pid"], signal.SIGKILL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            now = self.inspect(name, "{{json .State}}")
            if now["Running"] and now["Pid"] not in (0, state["Pid"]):
                return
            time.sleep(0.02)
        self.fail(f"{name} did not come back: {now}")

    def test_user_namespaces(self):
        self.run_ok("-v", "vol:/v", "base", "touch", "/v/f")
        for more in (), ("-u", "5"):
            self.assertEqual(self.run_ok("--userns", "auto", "-v", "vol:/v", *more, "base", "stat", "-c", "%u", "/v/f"), "0\n")
        self.run_ok("--userns", "auto", "-v", "vol:/v", "base", "touch", "/v/g")
        self.assertEqual(os.stat(f"{self.root}/volumes/vol/_data/g").st_uid, 0)
        self.assertEqual(self.run_ok("-u", "7", "-v", "vol:/v:U", "base", "stat", "-c", "%u", "/v/f"), "7\n")
        self.make_image("library", {"opt/f": entry("opt/f", mode=0o644)})
        self.assertEqual(self.run_ok("--userns", "auto", "--mount", "type=image,src=library,dst=/i", "base", "stat", "-c", "%u", "/i/opt/f"), "0\n")


if __name__ == "__main__":
    unittest.main()
