# SPDX-License-Identifier: Apache-2.0
"""Today's engine (chdb) behind HTTP, as two hosts of a shard: one has a schema with everything, the other is filled from it by the
real worker. modern_copy.py FOLDER MODERN-COPY-PROGRAM, or modern_copy.py serve PORT-FILE FOLDER ROLE (started by itself).

The engine keeps no users made by SQL, so those of the source come from its users file, and the target notes each statement
about access that the engine has parsed instead of storing it."""
import http.server
import os
import re
import subprocess
import sys
import time
import urllib.request

USERS = """<clickhouse>
  <profiles><default/><reader><max_threads>2</max_threads></reader></profiles><quotas><default/><small><interval><duration>3600</duration>
  <queries>9</queries></interval></small></quotas>
  <users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
  <access_management>1</access_management><named_collection_control>1</named_collection_control>
  <show_named_collections>1</show_named_collections><show_named_collections_secrets>1</show_named_collections_secrets></default>
  MORE</users>
  <display_secrets_in_show_and_select>SHOW</display_secrets_in_show_and_select>
  <user_directories><users_xml><path>FILE</path></users_xml></user_directories>
</clickhouse>"""
ANNA = """<anna><password_sha256_hex>65e84be33532fb784c48129675f9eff3a682b27168c0ea744b2cf58ee02337c5</password_sha256_hex>
  <networks><ip>10.0.0.0/8</ip></networks><profile>reader</profile><quota>small</quota>
  <databases><app><ev><filter>id = 1</filter></ev></app></databases>
  <grants><query>GRANT SELECT ON app.*</query></grants></anna>"""
SCHEMA = [
    "CREATE DATABASE app ENGINE = Atomic",
    "CREATE DATABASE `it's odd` ENGINE = Atomic",
    "CREATE NAMED COLLECTION box AS url = 'http://127.0.0.1:1/it''s', `odd key` = 'x'",
    "CREATE FUNCTION twice AS (x) -> x * 2",
    "CREATE FUNCTION four AS (x) -> twice(twice(x))",
    "CREATE TABLE app.ev (d Date, id UInt64, v Enum8('a' = 1, 'b' = 2) DEFAULT 'a', m Map(String, UInt8), INDEX i v TYPE set(9)) "
    "ENGINE = MergeTree PARTITION BY toYYYYMM(d) ORDER BY id TTL d + INTERVAL 9 YEAR",
    "CREATE TABLE `it's odd`.`a``b \\\\ 'c'` (n UInt8 DEFAULT four(1)) ENGINE = Log",
    "CREATE DICTIONARY app.names (id UInt64, v String DEFAULT '-') PRIMARY KEY id "
    "SOURCE(CLICKHOUSE(TABLE 'ev' DB 'app')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE VIEW app.z_base AS SELECT id, v FROM app.ev",
    "CREATE VIEW app.a_top AS SELECT v, count() AS n, dictGetOrDefault('app.names', 'v', id, '') AS w FROM app.z_base GROUP BY v, id",
    "CREATE MATERIALIZED VIEW app.b_mv ENGINE = SummingMergeTree ORDER BY v AS SELECT v, count() AS n FROM app.ev GROUP BY v",
    "CREATE MATERIALIZED VIEW app.a_to TO `it's odd`.`a``b \\\\ 'c'` AS SELECT toUInt8(id) AS n FROM app.ev",
]
COMPARED = [
    "SELECT name, engine FROM system.databases WHERE name NOT IN ('system') ORDER BY name",
    "SELECT database, name, engine, create_table_query FROM system.tables WHERE database IN ('app', 'it\\'s odd') "
    "AND name NOT LIKE '.inner%' ORDER BY database, name",
    "SELECT name, create_query FROM system.functions WHERE origin = 'SQLUserDefined' ORDER BY name",
    "SELECT name, collection FROM system.named_collections ORDER BY name",
]
NOT_STORED = {514, 180, 511, 192, 497, 495}  # parsed and understood, but the engine has nowhere to put it


class Engine:
    def __init__(self, folder, role):
        import chdb.session

        users = os.path.join(folder, role + ".xml")
        with open(users, "w", encoding="utf-8") as f:
            f.write(USERS.replace("FILE", users).replace("MORE", ANNA if role != "target" else "")
                    .replace("SHOW", "0" if role == "hiding" else "1"))
        self.role, self.made = role, []
        self.session = chdb.session.Session(os.path.join(folder, role) + "?config-file=" + users)

    def run(self, sql):
        out = self.session.query(sql, "TSV")
        return out.bytes() if out is not None else b""

    def about_access(self, sql):
        """Of the target: (status, answer), or None when it is for the engine."""
        rows = [r for r in self.made if not r[0].startswith("GRANT")]
        if "FROM system.settings_profiles" in sql:
            return 200, "".join("\t".join(r[:4]) + "\n" for r in rows)
        m = re.match(r"CREATE (SETTINGS PROFILE|ROLE|USER|QUOTA|ROW POLICY) IF NOT EXISTS (\S+?)( ON (\S+)\.(\S+))?( |$)", sql)
        if not m and not sql.startswith(("GRANT ", "ALTER SETTINGS PROFILE ", "SHOW GRANTS ", "SHOW CREATE SETTINGS")):
            return None
        if sql.startswith("SHOW"):
            return 200, "".join(r[4] + "\n" for r in self.made if (r[0] == "GRANT") == sql.startswith("SHOW GRANTS") and
                                (r[1] in sql or "`" + r[1] + "`" in sql))
        try:
            self.run(sql)
        except RuntimeError as e:
            code = int((re.search(r"Code: (\d+)", str(e)) or [0, 0])[1])
            if code not in NOT_STORED:
                return 500, str(e)
        if m:
            name = m[2].strip("`")
            self.made.append((m[1], name, m[4] or "", m[5] or "", sql.replace("IF NOT EXISTS ", "")))
        elif sql.startswith("GRANT"):
            self.made.append(("GRANT", sql.rsplit(" TO ", 1)[1], "", "", sql))
        return 200, ""

    def answer(self, sql):
        try:
            if self.role == "target":
                found = self.about_access(sql)
                if found:
                    return found[0], found[1].encode()
            elif "FROM system.settings_profiles" in sql:
                # what its file has stands for what SQL made
                sql = re.sub(r"WHERE storage = 'local directory' OR storage = 'local_directory'",
                             "WHERE storage = 'users_xml' AND name NOT LIKE 'default%'", sql)
            return 200, self.run(sql)
        except RuntimeError as e:
            return 500, str(e).encode()


def serve(port_file, folder, role):
    engine = Engine(folder, role)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            sql = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if sql == "-- what was made":
                status, body = 200, "\n".join("\t".join(r) for r in engine.made).encode()
            else:
                status, body = engine.answer(sql)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    with open(port_file + ".new", "w", encoding="utf-8") as f:
        f.write(str(server.server_port))
    os.rename(port_file + ".new", port_file)
    server.serve_forever()


class Host:
    def __init__(self, folder, role):
        port_file = os.path.join(folder, role + ".port")
        self.process = subprocess.Popen([sys.executable, __file__, "serve", port_file, folder, role])
        for _ in range(1200):
            if os.path.exists(port_file) or self.process.poll() is not None:
                break
            time.sleep(0.1)
        with open(port_file, encoding="utf-8") as f:
            self.port = f.read()

    def sql(self, text):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", data=text.encode(), timeout=60) as r:
            return r.read().decode()

    def end(self):
        self.process.kill()
        self.process.wait()


class Tap:
    n = bad = 0

    def check(self, name, good, why=""):
        self.n += 1
        self.bad += not good
        print(("ok" if good else "not ok"), self.n, "-", name)
        if not good:
            print("#", str(why).replace("\n", "\n# "))


def without_uuids(text):
    return re.sub(r" (TO INNER )?UUID \\*'[^']*'", "", text)


def copy(tap, folder, program, role):
    source, target = Host(folder, role), Host(folder, "target")
    try:
        for statement in SCHEMA:
            source.sql(statement)
        said = subprocess.run([program, source.port, target.port], capture_output=True, text=True, timeout=300, check=False)
        tap.check(f"{role}: the worker fills the host", said.returncode == 0, said.stdout + said.stderr)
        compare(tap, source, target, role, said.stdout)
    finally:
        source.end()
        target.end()


def compare(tap, source, target, role, said):
    for query in COMPARED if role == "showing" else COMPARED[:3]:
        a, b = without_uuids(source.sql(query)), without_uuids(target.sql(query))
        tap.check(f"{role}: the same answer to {query[:60]}", a == b and a, f"{a}\n---\n{b}")
    made = target.sql("-- what was made")
    hidden = "user anna is not copied" in said
    if role == "showing":
        for kind, name in (("USER", "anna"), ("QUOTA", "small"), ("SETTINGS PROFILE", "reader")):
            want = source.sql(f"SHOW CREATE {kind} {name} SETTINGS format_display_secrets_in_show_and_select = 1").strip()
            want = want.replace("\\'", "'")
            tap.check(f"{kind} {name} is made by the source's statement", want and want in made, f"{want}\n---\n{made}")
        tap.check("the password hash went along", "65E84BE33532FB78" in made, made)
        tap.check("and is in no message", "65E84BE33532FB78" not in said, said)
        tap.check("the policy of a table", "ROW POLICY\tanna\tapp\tev" in made, made)
        tap.check("and its grants", "GRANT SELECT ON app.* TO anna" in made, made)
        tap.check("nothing is told", not hidden, said)
    else:
        tap.check("a hidden password is told", hidden, said)
        tap.check("and no user is made without one", "USER\tanna" not in made, made)
        tap.check("a hidden collection is told", "named collection box is not copied" in said, said)


def main():
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:5])
        return 0
    tap = Tap()
    for role in ("showing", "hiding"):
        folder = os.path.join(sys.argv[1], role)
        os.makedirs(folder)
        copy(tap, folder, sys.argv[2], role)
    print(f"1..{tap.n}")
    return 1 if tap.bad else 0


sys.exit(main())
