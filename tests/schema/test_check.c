/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/schema/help.h"

#define CHI "apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: {name: x}\nspec:\n"
#define CHK                                                                                                            \
    "apiVersion: clickhouse-keeper.altinity.com/v1\nkind: ClickHouseKeeperInstallation\nmetadata: {name: x}\nspec:\n"
#define CONF                                                                                                           \
    "apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseOperatorConfiguration\nmetadata: {name: x}\nspec:\n"

/* The problems of a text as the command line prints them. */
static char *printed(const char *text, unsigned flags, bool with_places)
{
    auto_yaml struct schema_yaml *y = must_read(text);
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    struct str out = STR_INIT;

    schema_check(y->roots[0], flags, with_places ? y : NULL, &p);
    schema_problems_print(&p, with_places ? "f" : NULL, &out);
    return str_take(&out);
}

static void says(const char *text, const char *what)
{
    auto_free char *got = printed(text, SCHEMA_FROM_FILE, true);

    if (!strstr(got, what))
        fail_msg("%s\n→ %s\nnot %s", text, got, what);
}

static void clean(const char *text, unsigned flags)
{
    auto_free char *got = printed(text, flags, true);

    if (*got)
        fail_msg("%s\n→ %s", text, got);
}

static void a_right_resource_has_no_problems(void **state)
{
    (void)state;
    clean(CHI "  {}", 0);
    clean(CHK "  {}", 0);
    clean(CONF "  {}", 0);
    clean(CHI
          "  stop: \"no\"\n"
          "  configuration:\n"
          "    zookeeper: {keeper: {name: k}}\n"
          "    settings: {a/b: 18446744073709551615, c: [1, x], d: {e: 1}, f: yes, g: _removed_}\n"
          "    users: {u/password: {valueFrom: {secretKeyRef: {name: s, key: k}}}}\n"
          "    files: {config.d/x.xml: \"<a/>\"}\n"
          "    clusters:\n"
          "    - name: main\n"
          "      layout: {shardsCount: 2, replicasCount: 2, shards: [{name: a}, {name: b, replicas: [{tcpPort: "
          "9001}]}]}\n"
          "  templates:\n"
          "    podTemplates:\n"
          "    - name: p\n"
          "      spec: {containers: [{name: clickhouse, image: i, resources: {requests: {cpu: 2, memory: 1Gi}}}]}\n",
          SCHEMA_FROM_FILE);
}

static void an_unknown_field_is_named_with_place_and_a_guess(void **state)
{
    (void)state;
    says(CHI "  configuration:\n    cluster: []\n",
         "f:6:5: error: spec.configuration.cluster: there is no such field; did you mean \"clusters\"?\n");
    says(CHI "  configuration:\n    clusters:\n    - name: a\n      shardsCount: 2\n",
         "f:8:7: error: spec.configuration.clusters[0].shardsCount: there is no such field; it belongs deeper: "
         "layout.shardsCount\n");
    says(CHI "  configuration:\n    clusters:\n    - name: a\n      layout:\n        taskID: x\n",
         "it belongs further up, at spec.taskID: look at the indentation");
    says(CHI "  configuration:\n    clusters:\n    - image: x\n", "podTemplates[].spec.containers[].image");
    says(CHI "  suspended: \"yes\"\n", "did you mean \"suspend\"?");
    says(CHI "  defaults:\n    templates:\n      podTemplat: x\n", "did you mean \"podTemplate\"?");
    says(CHI "  reconcile:\n    runtime: {qqq: 1}\n",
         "Possible here: reconcileShardsThreadsNumber, reconcileShardsMaxConcurrencyPercent");
    says(CHK "  reconcile: {}\n", "did you mean \"reconciling\"?");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: {name: x, lables: {}}\nspec: "
         "{}\n",
         "f:3:21: error: metadata.lables: there is no such field; did you mean \"labels\"?");
}

static void wrong_types_say_what_belongs_there(void **state)
{
    (void)state;
    says(CHI "  taskID: 7\n", "f:5:11: error: spec.taskID: is a number, but text belongs here: put it in quotes\n");
    says(CHI "  configuration: []\n", "is a list, but a mapping (key: value) belongs here");
    says(CHI "  configuration:\n    clusters: {name: a}\n", "a list belongs here: begin each entry with \"- \"");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shardsCount: \"2\"}\n", "take the quotes away");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shardsCount: 1.5}\n", "is not a whole number");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shardsCount: 18446744073709551615}\n",
         "is not a whole number");
    says(CHI "  configuration:\n    clusters:\n    -\n", "spec.configuration.clusters[0]: is an empty entry");
    says(CHI "  configuration:\n    clusters:\n    - secret: {valueFrom: {secretKeyRef: {name: a, key: b, optional: "
             "\"x\"}}}\n",
         "true or false belongs here");
    says(CHI "  taskID: {a: 1}\n", "is a mapping, but text belongs here\n");
}

static void values_outside_the_allowed_are_refused_with_the_choice(void **state)
{
    (void)state;
    says(CHI "  restart: Rollingupdate\n",
         "spec.restart: \"Rollingupdate\" is not possible; did you mean RollingUpdate? Possible: RollingUpdate\n");
    says(CHI "  restart: always\n", "Possible: RollingUpdate");
    says(CHI "  stop: maybe\n", "\"maybe\" is neither yes nor no");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shards: [{replicas: [{tcpPort: 70000}]}]}\n",
         "layout.shards[0].replicas[0].tcpPort: 70000 is too large: at most 65535");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shards: [{replicas: [{tcpPort: 0}]}]}\n", "at least 1");
    says(CHI "  configuration:\n    clusters:\n    - name: much-too-long-a-name\n", "has 20 characters; at most 15");
    says(CHI "  configuration:\n    clusters:\n    - name: a_b\n", "use letters, digits and \"-\"");
    says(CHI "  configuration:\n    clusters:\n    - name: \"\"\n", "may not be empty");
    says(CHI "  reconcile: {configMapPropagationTimeout: 3601}\n", "at most 3600");
    says(CHI "  chfleet: {windows: [{start: \"25:00\", duration: 4h}]}\n", "\"25:00\" has not the form");
    says(CHI "  chfleet: {windows: [{start: \"02:00\", duration: 4 hours}]}\n", "(Duration)");
    says(CHI "  chfleet: {consent: {until: tomorrow}}\n", "(Time)");
    says(CHI "  chfleet: {waves: [{soak: 1m}]}\n", "a wave needs shards or percent");
    says(CHI "  chfleet: {waves: [{shards: 1, percent: 5}]}\n", "not both");
    says(CHI "  configuration: {zookeeper: {nodes: [{host: a}], keeper: {name: k}}}\n",
         "spec.configuration.zookeeper: nodes and keeper exclude each other");
    says(CHI "  configuration:\n    clusters:\n    - name: 1st\n", "and a letter first");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shardsCount: -1}\n", "at least 0");
    says(CHI "  namespaceDomainPattern: cluster.local\n", "spec.namespaceDomainPattern: ");
    says(CHI "  namespaceDomainPattern: \"%s.svc.%s\"\n", "spec.namespaceDomainPattern: ");
}

static void a_keeper_has_one_cluster_with_one_shard(void **state)
{
    static const char head[] = "apiVersion: clickhouse-keeper.altinity.com/v1\nkind: ClickHouseKeeperInstallation\n"
                               "metadata: {name: x}\nspec: {configuration: {clusters: [";
    auto_free char *two = mem_printf("%s{name: a}, {name: b}]}}\n", head);
    auto_free char *count = mem_printf("%s{name: a, layout: {replicas: [{shardsCount: 2}]}}]}}\n", head);

    (void)state;
    says(two, "spec.configuration: a Keeper has one cluster");
    says(count, "layout.replicas[0].shardsCount: 2 is too large: at most 1");
}

static void missing_fields_are_named_at_their_object(void **state)
{
    (void)state;
    says(CHI "  configuration:\n    clusters:\n    - secret:\n        valueFrom:\n          secretKeyRef: {name: a}\n",
         "f:9:25: error: spec.configuration.clusters[0].secret.valueFrom.secretKeyRef.key: is missing");
    says(CHI "  configuration: {zookeeper: {keeper: {namespace: a}}}\n", "zookeeper.keeper.name: is missing");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: {name: x}\n",
         "spec: is missing");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nspec: {}\n", "metadata: is missing");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: {}\nspec: {}\n",
         "metadata.name: is missing");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: {name: A_b}\nspec: {}\n",
         "\"A_b\" is no possible name");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\n"
         "metadata: {name: a, labels: {\"a b\": x, c: \"-\", d: 1}}\nspec: {}\n",
         "metadata.labels[a b]: is no possible name");
}

static void names_given_twice_are_refused(void **state)
{
    (void)state;
    says(CHI "  configuration:\n    clusters:\n    - name: a\n    - name: b\n    - name: a\n",
         "f:9:13: error: spec.configuration.clusters[2].name: \"a\" is taken by entry [0] of this list");
    says(CHI "  templates: {podTemplates: [{name: a}, {name: a}]}\n", "podTemplates[1].name: \"a\" is taken");
    says(CHI "  configuration:\n    clusters:\n    - layout: {shards: [{name: x}, {name: x}]}\n", "is taken");
    says(CHI "  templates: {podTemplates: [{name: a, spec: {containers: [{name: c}, {name: c}]}}]}\n", "is taken");
    clean(CHI "  useTemplates: [{name: a}, {name: a}]\n", 0);
}

static void all_problems_are_collected_in_order(void **state)
{
    auto_yaml struct schema_yaml *y = must_read(CHI "  stop: maybe\n  wrong: 1\n  taskID: 2\n");
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    struct err err = ERR_INIT;

    (void)state;
    schema_check(y->roots[0], 0, y, &p);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.errors, 3);
    assert_int_equal(p.v[0].code, SCHEMA_VALUE);
    assert_int_equal(p.v[1].code, SCHEMA_UNKNOWN);
    assert_int_equal(p.v[2].code, SCHEMA_TYPE);
    assert_int_equal(p.v[2].pos.line, 7);
    assert_string_equal(p.v[2].path, "spec.taskID");
    assert_string_equal(schema_cause(p.v[2].code), "FieldValueTypeInvalid");
    assert_int_equal(schema_problems_err(&p, "f", &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    must_hold(err.msg, "f:5:9: spec.stop: ");
    must_hold(err.msg, "f:7:11: spec.taskID: ");
}

static void there_is_an_end_to_the_list_of_problems(void **state)
{
    auto_str struct str text = STR_INIT;
    auto_free char *got = NULL;

    (void)state;
    str_add(&text, CHI);
    for (int i = 0; i < 300; i++)
        str_addf(&text, "  wrong%d: 1\n", i);
    got = printed(str_text(&text), 0, true);
    must_hold(got, "f: 100 more like these\n");
}

static void bare_yes_is_taken_as_text_from_a_file_only(void **state)
{
    auto_yaml struct schema_yaml *y = must_read(CHI "  stop: yes\n  suspend: 0\n  troubleshoot: \"on\"\n");
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT, server = SCHEMA_PROBLEMS_INIT;
    auto_json cJSON *copy = json_copy(y->roots[0]);

    (void)state;
    schema_check(y->roots[0], SCHEMA_FROM_FILE, y, &p);
    assert_int_equal(p.errors, 0);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.v[0].code, SCHEMA_COERCED);
    assert_int_equal(p.v[0].pos.line, 5);
    assert_string_equal(json_str(y->roots[0], "spec.stop", ""), "true");
    assert_string_equal(json_str(y->roots[0], "spec.suspend", ""), "0");
    assert_string_equal(json_str(y->roots[0], "spec.troubleshoot", ""), "on");
    schema_check(copy, 0, NULL, &server);
    assert_int_equal(server.errors, 2);
    must_hold(server.v[0].text, "write \"yes\" or \"no\", in quotes");
    schema_problems_free(&server);
    says(CHI "  stop: 7\n", "\"7\" is neither yes nor no");
}

static void the_same_texts_come_without_a_file(void **state)
{
    auto_free char *with = printed(CHI "  stop: maybe\n  wrong: 1\n", 0, true);
    auto_free char *without = printed(CHI "  stop: maybe\n  wrong: 1\n", 0, false);

    (void)state;
    must_hold(with, "f:5:9: error: spec.stop: \"maybe\"");
    assert_true(str_starts(without, "error: spec.stop: \"maybe\""));
    must_hold(without, "\nerror: spec.wrong: there is no such field");
}

static void other_kinds_are_refused(void **state)
{
    (void)state;
    says("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", "f:2:7: error: kind: \"Pod\" is none of ours");
    says("metadata: {name: x}\n", "kind: is missing");
    says("apiVersion: clickhouse.altinity.com/v2\nkind: ClickHouseInstallation\n",
         "apiVersion: a ClickHouseInstallation needs apiVersion: clickhouse.altinity.com/v1");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseKeeperInstallation\n",
         "needs apiVersion: clickhouse-keeper.altinity.com/v1");
    says("apiVersion: clickhouse.altinity.com/v1\nkind: chi\n", "\"chi\" is none of ours");
}

#define POD CHI "  templates:\n    podTemplates:\n    - name: p\n      spec:\n"

static void pod_templates_are_looked_into(void **state)
{
    (void)state;
    says(POD "        containers: {name: a}\n",
         "podTemplates[0].spec.containers: is a mapping, but a list belongs here");
    says(POD "        containers: [{image: a}]\n", "containers[0].name: is missing");
    says(POD "        containers: [{name: a, env: [{name: X, value: 1}]}]\n",
         "f:9:55: error: spec.templates.podTemplates[0].spec.containers[0].env[0].value: is a number, but text belongs "
         "here: "
         "put it in quotes");
    says(POD "        containers: [{name: a, ports: [{containerPort: \"80\"}]}]\n", "take the quotes away");
    says(POD "        containers: [{name: a, resources: {limits: {memory: 2GB}}}]\n", "\"2GB\" is no quantity");
    says(POD "        containers: [{name: a, command: sleep}]\n", "command: is text, but a list belongs here");
    says(POD "        containers: [{name: a, volumeMounts: [{name: d}]}]\n", "volumeMounts[0].mountPath: is missing");
    says(POD "        nodeSelector: {disk: 1}\n", "nodeSelector.disk: is a number, but text belongs here");
    says(POD "        hostNetwork: \"yes\"\n", "true or false belongs here");
    says(POD "        containers: [{name: a, imge: b}]\n",
         "note: spec.templates.podTemplates[0].spec.containers[0].imge: is kept, "
         "but is not known; did you mean \"image\"?");
    clean(POD "        containers: [{name: a, somethingNew: {a: [1]}}]\n        brandNew: 1\n        affinity: "
              "{nodeAffinity: {}}\n",
          SCHEMA_FROM_FILE);
}

static void claim_and_service_templates_are_looked_into(void **state)
{
    (void)state;
    says(CHI "  templates: {volumeClaimTemplates: [{name: a, spec: {resources: {requests: {storage: lots}}}}]}\n",
         "\"lots\" is no quantity");
    says(CHI "  templates: {volumeClaimTemplates: [{name: a, spec: {accessModes: [ReadWriteOne]}}]}\n",
         "did you mean ReadWriteOnce?");
    says(CHI "  templates: {serviceTemplates: [{name: a, spec: {ports: [{name: x, port: 65535}]}}]}\n",
         "at most 65534");
    says(CHI "  templates: {serviceTemplates: [{name: a, spec: {ports: [{name: x}]}}]}\n", "ports[0].port: is missing");
    says(CHI "  templates: {serviceTemplates: [{name: a, metadata: {annotations: {x: true}}}]}\n",
         "annotations.x: is a bare true, but text belongs here");
    clean(CHI
          "  templates: {serviceTemplates: [{name: a, spec: {type: LoadBalancer, ports: [{port: 1, targetPort: http}, "
          "{name: b, port: 2, targetPort: 3}]}}]}\n",
          SCHEMA_FROM_FILE);
}

static void settings_are_looked_into(void **state)
{
    (void)state;
    says(CHI "  configuration: {settings: [a]}\n", "is a list, but a mapping");
    says(CHI "  configuration: {settings: {a/b: }}\n",
         "note: spec.configuration.settings[a/b]: has no value and is left out");
    says(CHI "  configuration: {settings: {a: [{b: 1}]}}\n", "settings.a[0]: is a mapping inside a list of values");
    says(CHI "  configuration: {users: {u/password: {valueFrom: {secretKeyRef: {name: a}}}}}\n", "needs name and key");
    says(CHI "  configuration: {users: {u/password: {valueFrom: {configMapKeyRef: {}}}}}\n", "needs secretKeyRef");
    says(CHI "  configuration: {files: {a.xml: [1]}}\n", "the content of a file is text");
    says(CHI "  configuration: {settings: {\"/\": 1}}\n", "the name is empty");
    says(CHI "  templating: {chiSelector: {matchLabels: {a: b}}}\n", "chiSelector.matchLabels: is a mapping, but text");
}

static void old_and_idle_fields_get_notes(void **state)
{
    (void)state;
    says(CHI "  reconciling: {}\n", "note: spec.reconciling: works, but is an old form. Old name of reconcile.");
    says(CHI "  templates: {podTemplates: [{name: a, distribution: OnePerHost}]}\n",
         "has no effect. Replaced by podDistribution.");
    says(CHK "  reconciling: {policy: wait}\n", "note: spec.reconciling.policy: has no effect");
    clean(CHI "  templates: {podTemplates: [{name: a, distribution: \"\"}]}\n", 0);
}

static void nulls_count_as_absent(void **state)
{
    (void)state;
    clean(CHI "  configuration:\n    settings:\n    clusters:\n  defaults:\n", 0);
}

static void a_status_in_a_file_is_not_looked_at(void **state)
{
    auto_free char *server = printed(CHI "  {}\nstatus: {clusters: x, nope: 1}\n", 0, true);

    (void)state;
    clean(CHI "  {}\nstatus: {clusters: x, nope: 1}\n", SCHEMA_FROM_FILE);
    must_hold(server, "status.clusters: is text, but a whole number");
    must_hold(server, "status.nope: there is no such field");
    clean(CHI "  {}\nstatus: {pods: null, normalized: {a: 1}, conditions: [{type: Ready, status: \"True\"}]}\n", 0);
}

static void the_configuration_file_takes_bare_words(void **state)
{
    auto_yaml struct schema_yaml *y =
        must_read("watch:\n  namespaces: [a, \"b\"]\n"
                  "clickhouse:\n  configurationRestartPolicy:\n    rules:\n    - version: \"*\"\n      rules:\n"
                  "      - settings/*: yes\n      - settings/logger: \"no\"\n"
                  "  access: {port: 8123, username: 5}\n"
                  "template: {chk: {policy: x}}\nlogger: {v: 1, logtostderr: true}\n"
                  "keeper: {configuration: {file: {path: {common: a}}}}\n"
                  "chPort: 8124\nreconcileWaitExclude: yes\n"
                  "reconcile: {host: {wait: {exclude: true}}}\n");
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    auto_str struct str out = STR_INIT;

    (void)state;
    schema_check_config(y->roots[0], y, &p);
    schema_problems_print(&p, "f", &out);
    if (p.errors)
        fail_msg("%s", str_text(&out));
    assert_string_equal(json_str(y->roots[0], "logger.v", ""), "1");
    assert_string_equal(json_str(y->roots[0], "logger.logtostderr", ""), "true");
    assert_string_equal(json_str(y->roots[0], "reconcile.host.wait.exclude", ""), "true");
    must_hold(str_text(&out), "chPort: works, but is an old form. Write clickhouse.access.port.");
}

static void the_configuration_file_is_checked(void **state)
{
    auto_yaml struct schema_yaml *y =
        must_read("reconcil: {}\nclickhouse: {access: {port: 0, timeouts: {connect: 11}}}\n"
                  "template: {chi: {policy: Sometimes}}\n");
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    auto_str struct str out = STR_INIT;

    (void)state;
    schema_check_config(y->roots[0], y, &p);
    schema_problems_print(&p, "config.yaml", &out);
    must_hold(str_text(&out), "config.yaml:1:1: ");
    must_hold(str_text(&out), "did you mean \"reconcile\"?");
    must_hold(str_text(&out), "clickhouse.access.port: 0 is too small");
    must_hold(str_text(&out), "at most 10");
    must_hold(str_text(&out), "Possible: ReadOnStart, ApplyOnNextReconcile");
}

static void a_configuration_resource_obeys_its_crd(void **state)
{
    (void)state;
    clean(CONF "  watch: {namespaces: {include: [a]}}\n  keeper: {configuration: {}}\n", 0);
    says(CONF "  template: {chk: {policy: x}}\n", "spec.template.chk: is possible in the configuration file only");
    says(CONF "  watch: {namespaces: [a]}\n", "is a list, but a mapping");
    says(CONF "  logger: {v: 1}\n", "put it in quotes");
}

static void pruning_drops_what_the_schema_does_not_have(void **state)
{
    auto_yaml struct schema_yaml *y =
        must_read(CHI "  wrong: 1\n  stop: null\n  configuration:\n    settings: {any: thing, m: null}\n    clusters:\n"
                      "    - name: a\n      nope: {b: 1}\n  templates: {podTemplates: [{spec: {what: ever}}]}\n"
                      "  defaults: {templates: {serviceTemplates: null}}\nextra: 1\nstatus: {x: 1, pods: null, "
                      "normalized: {k: 1}}\n");
    auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT;
    auto_free char *got = NULL;

    (void)state;
    schema_prune(y->roots[0], &p);
    got = json_print(y->roots[0]);
    assert_string_equal(got,
                        "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\","
                        "\"metadata\":{\"name\":\"x\"},\"spec\":{\"configuration\":{\"settings\":{\"any\":\"thing\","
                        "\"m\":null},\"clusters\":[{\"name\":\"a\"}]},\"templates\":{\"podTemplates\":[{\"spec\":{"
                        "\"what\":\"ever\"}}]},\"defaults\":{\"templates\":{\"serviceTemplates\":null}}},\"status\":{"
                        "\"pods\":null,\"normalized\":{\"k\":1}}}");
    assert_int_equal(p.n, 4);
    assert_string_equal(p.v[0].path, "spec.wrong");
    assert_string_equal(p.v[1].path, "spec.configuration.clusters[0].nope");
    assert_string_equal(p.v[2].path, "extra");
    assert_string_equal(p.v[3].path, "status.x");
    schema_prune(y->roots[0], NULL);
}

static void pruning_keeps_what_an_open_object_holds(void **state)
{
    auto_yaml struct schema_yaml *y = must_read(CONF "  keeper: {a: 1}\n  chPort: 1\n  template: {chk: {a: 1}}\n");

    (void)state;
    schema_prune(y->roots[0], NULL);
    assert_int_equal(json_int(y->roots[0], "spec.keeper.a", 0), 1);
    assert_int_equal(json_int(y->roots[0], "spec.chPort", 0), 1);
    assert_null(json_at(y->roots[0], "spec.template.chk"));
}

static void no_text_shows_a_secret(void **state)
{
    auto_free char *got = printed(CHI "  configuration:\n    zookeeper: {identity: [s3cret]}\n"
                                      "    users: {u/password: [{s3cret: 1}]}\n"
                                      "    clusters:\n    - secret: {value: {s3cret: 1}}\n    - secret: s3cret\n",
                                  0, true);

    (void)state;
    must_hold(got, "identity");
    assert_null(strstr(got, "s3cret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_resource_has_no_problems),
        cmocka_unit_test(an_unknown_field_is_named_with_place_and_a_guess),
        cmocka_unit_test(wrong_types_say_what_belongs_there),
        cmocka_unit_test(values_outside_the_allowed_are_refused_with_the_choice),
        cmocka_unit_test(a_keeper_has_one_cluster_with_one_shard),
        cmocka_unit_test(missing_fields_are_named_at_their_object),
        cmocka_unit_test(names_given_twice_are_refused),
        cmocka_unit_test(all_problems_are_collected_in_order),
        cmocka_unit_test(there_is_an_end_to_the_list_of_problems),
        cmocka_unit_test(bare_yes_is_taken_as_text_from_a_file_only),
        cmocka_unit_test(the_same_texts_come_without_a_file),
        cmocka_unit_test(other_kinds_are_refused),
        cmocka_unit_test(pod_templates_are_looked_into),
        cmocka_unit_test(claim_and_service_templates_are_looked_into),
        cmocka_unit_test(settings_are_looked_into),
        cmocka_unit_test(old_and_idle_fields_get_notes),
        cmocka_unit_test(nulls_count_as_absent),
        cmocka_unit_test(a_status_in_a_file_is_not_looked_at),
        cmocka_unit_test(the_configuration_file_takes_bare_words),
        cmocka_unit_test(the_configuration_file_is_checked),
        cmocka_unit_test(a_configuration_resource_obeys_its_crd),
        cmocka_unit_test(pruning_drops_what_the_schema_does_not_have),
        cmocka_unit_test(pruning_keeps_what_an_open_object_holds),
        cmocka_unit_test(no_text_shows_a_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
