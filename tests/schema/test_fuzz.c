/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded noise into the reader and the check: whatever comes, there is an answer and nothing is read or written out of
 * bounds (the sanitizer builds see to that). SCHEMA_FUZZ_SEED and SCHEMA_FUZZ_ROUNDS change the run. */
#include "base/json.h"
#include "tests/schema/help.h"

struct dice {
    uint64_t x;
};

static uint64_t roll(struct dice *d, uint64_t sides)
{
    d->x ^= d->x << 13;
    d->x ^= d->x >> 7;
    d->x ^= d->x << 17;
    return d->x % sides;
}

static uint64_t from_env(const char *name, uint64_t dflt)
{
    const char *s = getenv(name);

    return s ? strtoull(s, NULL, 10) : dflt;
}

static const char *const seed_text = "apiVersion: clickhouse.altinity.com/v1\nkind: ClickHouseInstallation\nmetadata: "
                                     "{name: x, labels: &l {a: \"b\"}}\nspec:\n"
                                     "  stop: yes\n  configuration:\n    users: {u/k8s_secret_password: \"a/b/c\"}\n   "
                                     " settings:\n      a/b: 18446744073709551615\n"
                                     "      c: [1, -2.5e3, 0x1f]\n    clusters:\n    - &c\n      name: main\n      "
                                     "layout: {shardsCount: 2, replicasCount: 2}\n"
                                     "    - <<: *c\n      name: 'other'\n  templates:\n    podTemplates:\n    - name: "
                                     "p\n      metadata: {labels: *l}\n      spec:\n"
                                     "        containers:\n        - {name: clickhouse, image: \"i:1\", env: [{name: "
                                     "A, value: \"1\"}]}\n        - name: b\n"
                                     "          command: [sh, -c, |\n            true\n          ]\n";

static const char *const json_text = "{\"apiVersion\":\"clickhouse-keeper.altinity.com/"
                                     "v1\",\"kind\":\"ClickHouseKeeperInstallation\",\"metadata\":{\"name\":\"k\"},"
                                     "\"spec\":{\"configuration\":{\"clusters\":[{\"name\":\"a\",\"layout\":{"
                                     "\"replicasCount\":3}}],\"settings\":{\"x\":\"\\u00e9\\\\\"}}}}";

/* Reads, checks and prunes; says how many problems there were. */
static void swallow(const char *text, size_t len)
{
    struct err err = ERR_INIT;
    struct schema_yaml *y = NULL;

    if (schema_yaml_parse("f", text, len, &y, &err) < 0) {
        assert_int_equal(err.kind, ERR_INPUT);
        assert_true(str_starts(err.msg, "f:"));
        return;
    }
    for (size_t i = 0; i < y->n; i++) {
        auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT, q = SCHEMA_PROBLEMS_INIT;
        auto_str struct str out = STR_INIT;

        schema_check(y->roots[i], (unsigned)i & 1, y, &p);
        schema_problems_print(&p, "f", &out);
        schema_prune(y->roots[i], &q);
        schema_check_config(y->roots[i], y, &p);
    }
    schema_yaml_free(y);
}

static void change(struct dice *d, struct str *text)
{
    static const char *const pieces[] = {"\t", "\n",  ": ",    "- ",  "&a ",    "*a", "<<: ", "{",      "}",     "[",
                                         "]",  "\"",  "'",     "|\n", "!!int ", "\\", "\xff", "\xc3",   "---\n", "#",
                                         "~",  "yes", "1e999", "?",   "%",      "@",  ",",    "\\u0000"};
    uint64_t at = roll(d, text->len + 1);
    const char *piece = pieces[roll(d, sizeof pieces / sizeof *pieces)];
    auto_str struct str tail = STR_INIT;

    switch (roll(d, 4)) {
    case 0: /* one byte */
        if (at < text->len)
            text->s[at] = (char)roll(d, 256);
        break;
    case 1: /* a piece in between */
        str_addn(&tail, text->s + at, text->len - at);
        text->len = at;
        str_add(text, piece);
        str_addn(text, str_text(&tail), tail.len);
        break;
    case 2: /* the end cut off */
        if (roll(d, 8) == 0)
            text->len = at;
        break;
    default: /* some bytes lost */
        if (at < text->len) {
            uint64_t n = roll(d, 12);

            n = n > text->len - at ? text->len - at : n;
            memmove(text->s + at, text->s + at + n, text->len - at - n);
            text->len -= n;
        }
    }
    text->s[text->len] = '\0';
}

static void changed_texts_do_no_harm(void **state)
{
    struct dice d = {from_env("SCHEMA_FUZZ_SEED", 20240501)};
    uint64_t rounds = from_env("SCHEMA_FUZZ_ROUNDS", 3000);

    (void)state;
    for (uint64_t i = 0; i < rounds; i++) {
        auto_str struct str text = STR_INIT;
        uint64_t changes = 1 + roll(&d, 6);

        str_add(&text, i % 4 ? seed_text : json_text);
        while (changes--)
            change(&d, &text);
        swallow(str_text(&text), text.len);
    }
}

static void noise_does_no_harm(void **state)
{
    static const char letters[] = " \n\t:-[]{}&*!|>'\"%@`#,?ab01.~\\";
    struct dice d = {from_env("SCHEMA_FUZZ_SEED", 7)};

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char text[80];
        size_t n = (size_t)roll(&d, sizeof text);

        for (size_t k = 0; k < n; k++)
            text[k] = roll(&d, 8) ? letters[roll(&d, sizeof letters - 1)] : (char)roll(&d, 256);
        swallow(text, n);
    }
}

static cJSON *any_value(struct dice *d, const struct shape *s, unsigned depth)
{
    switch (roll(d, 8)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateBool(roll(d, 2) == 0);
    case 2:
        return cJSON_CreateNumber((double)roll(d, 100000) / 7);
    case 3:
        return cJSON_CreateString("x\"/{}");
    case 4:
        return cJSON_CreateRaw("18446744073709551615");
    default:
        break;
    }
    if (s && s->kind == SHAPE_LIST) {
        cJSON *list = cJSON_CreateArray();

        for (uint64_t n = roll(d, 4); n; n--)
            cJSON_AddItemToArray(list, any_value(d, s->items, depth + 1));
        return list;
    }
    if (s && s->kind == SHAPE_OBJECT && depth < 12) {
        cJSON *object = cJSON_CreateObject();

        for (const struct field *f = s->fields; f->name; f++)
            if (roll(d, 3) == 0)
                cJSON_AddItemToObject(object, f->name, any_value(d, f->shape, depth + 1));
        if (roll(d, 4) == 0)
            cJSON_AddItemToObject(object, "nonsense", any_value(d, NULL, depth + 1));
        return object;
    }
    return roll(d, 2) ? cJSON_CreateObject() : cJSON_CreateString("");
}

static void wrong_values_everywhere_do_no_harm(void **state)
{
    struct dice d = {from_env("SCHEMA_FUZZ_SEED", 99)};

    (void)state;
    for (int i = 0; i < 1500; i++) {
        const struct schema_resource *r = schema_resource((enum schema_kind)(i % SCHEMA_KINDS));
        auto_json cJSON *resource = any_value(&d, r->root, 0);
        auto_free char *api = mem_printf("%s/%s", r->group, r->version);
        auto_problems struct schema_problems p = SCHEMA_PROBLEMS_INIT, again = SCHEMA_PROBLEMS_INIT;

        if (cJSON_IsObject(resource)) {
            json_set_str(resource, "kind", r->kind);
            json_set_str(resource, "apiVersion", api);
        }
        schema_check(resource, (unsigned)i & 1, NULL, &p);
        schema_prune(resource, NULL);
        schema_check(resource, 0, NULL, &again);
        for (size_t k = 0; k < again.n && i % SCHEMA_KINDS != SCHEMA_CHOPCONF; k++)
            if (again.v[k].code == SCHEMA_UNKNOWN && !str_starts(again.v[k].path, "metadata"))
                fail_msg("pruning left %s", again.v[k].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_texts_do_no_harm),
        cmocka_unit_test(noise_does_no_harm),
        cmocka_unit_test(wrong_values_everywhere_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
