/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "plane/lb_conf.h"

static const char head[] = "# pxname,svname,qcur,scur,status,addr,mode,\n";

static struct lbw_member member(const char *name, const char *uid, unsigned port, bool wanted)
{
    struct lbw_member m = {mem_str(name), mem_str(uid), mem_copy((unsigned[]){port}, sizeof(unsigned)),
                           8123,          wanted,       false};

    return m;
}

static struct lbw_service service(size_t n)
{
    struct lbw_service s = {mem_str("ns"),
                            mem_str("svc"),
                            mem_zero(sizeof(struct lbw_port)),
                            1,
                            mem_array(n, sizeof(struct lbw_member)),
                            n};

    s.ports[0] = (struct lbw_port){mem_str("http"), 8123, 8123, true, 0};
    return s;
}

static char *plan(struct lbw_service *s, const char *rows, struct lb_todo *todo, bool *changed)
{
    auto_free char *text = mem_printf("Name: HAProxy\ndescription: abc\n\n%s%s\n", head, rows);
    struct lbs now;
    struct err e = ERR_INIT;

    *todo = (struct lb_todo){.commands = STR_INIT};
    *changed = false;
    if (lbs_read(text, &now, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(now.digest, "abc");
    lb_plan(s, &now, todo, changed);
    lbs_fini(&now);
    return str_take(&todo->commands);
}

static void a_new_member_is_added_and_is_in_when_it_is_up(void **state)
{
    struct lbw_service s = service(1);
    struct lb_todo todo;
    bool changed;
    char *c;

    (void)state;
    s.members[0] = member("p-0", "u0", 9001, true);
    c = plan(&s, "", &todo, &changed);
    assert_true(str_starts(c, "add server ns.svc.http/p-0 127.0.0.1:9001 pool-max-conn 0 check inter 500ms"));
    assert_non_null(strstr(c, " port 8123;enable health ns.svc.http/p-0;set server ns.svc.http/p-0 state ready"));
    assert_true(todo.joining && !changed && !s.members[0].in);
    free(c);
    c = plan(&s, "ns.svc.http,p-0,0,0,DOWN,127.0.0.1:9001,http\n", &todo, &changed);
    assert_string_equal(c, "");
    assert_true(todo.joining);
    free(c);
    c = plan(&s, "ns.svc.http,p-0,0,0,UP,127.0.0.1:9001,http\n", &todo, &changed);
    assert_string_equal(c, "");
    assert_true(changed && s.members[0].in && !todo.joining);
    free(c);
    c = plan(&s, "ns.svc.http,p-0,0,0,DOWN 1/2,127.0.0.1:9001,http\n", &todo, &changed);
    assert_true(!changed && s.members[0].in); /* its health is HAProxy's business now */
    free(c);
    lbw_service_fini(&s);
}

static void who_leaves_is_drained_first_and_removed_when_idle(void **state)
{
    struct lbw_service s = service(1);
    struct lb_todo todo;
    bool changed;
    char *c;

    (void)state;
    s.members[0] = member("p-0", "u0", 9001, false);
    s.members[0].in = true;
    c = plan(&s, "ns.svc.http,p-0,0,3,UP,127.0.0.1:9001,http\n", &todo, &changed);
    assert_string_equal(c, "set server ns.svc.http/p-0 state drain");
    assert_true(!changed && s.n_members == 1 && s.members[0].in);
    free(c);
    c = plan(&s, "ns.svc.http,p-0,0,3,DRAIN,127.0.0.1:9001,http\n", &todo, &changed);
    assert_string_equal(c, "");
    assert_true(changed && todo.draining && s.n_members == 0);
    free(c);
    c = plan(&s, "ns.svc.http,p-0,0,0,DRAIN,127.0.0.1:9001,http\n", &todo, &changed);
    assert_string_equal(c, "set server ns.svc.http/p-0 state maint;del server ns.svc.http/p-0");
    free(c);
    lbw_service_fini(&s);
}

static void a_member_that_comes_back_is_made_ready_or_replaced(void **state)
{
    struct lbw_service s = service(1);
    struct lb_todo todo;
    bool changed;
    char *c;

    (void)state;
    s.members[0] = member("p-0", "u1", 9001, true);
    c = plan(&s, "ns.svc.http,p-0,0,1,DRAIN,127.0.0.1:9001,http\n", &todo, &changed);
    assert_string_equal(c, "enable health ns.svc.http/p-0;set server ns.svc.http/p-0 state ready");
    free(c);
    c = plan(&s, "ns.svc.http,p-0,0,1,UP,127.0.0.1:9099,http\n", &todo, &changed);
    assert_true(
        str_starts(c, "set server ns.svc.http/p-0 state maint;shutdown sessions server ns.svc.http/p-0;del server"));
    free(c);
    lbw_service_fini(&s);
}

static void the_file_never_sends_a_query_twice_and_keeps_no_idle_connection(void **state)
{
    struct lbw_service s = service(2);
    struct lbw w = {&s, 1};
    auto_str struct str out = STR_INIT;
    auto_free char *before = lbw_digest(&w), *same = NULL, *other = NULL;

    (void)state;
    s.members[0] = member("p-0", "u0", 9001, true);
    s.members[1] = member("p-1", "u1", 9002, false);
    lbw_config(&w, "/d/lb", 1000, &out);
    assert_non_null(strstr(out.s, "retries 0\n"));
    assert_non_null(strstr(out.s, "listen ns.svc.http\n    mode http\n"));
    assert_non_null(strstr(out.s, "bind 127.0.0.1:8123\n"));
    assert_non_null(strstr(out.s, "server p-0 127.0.0.1:9001 pool-max-conn 0 check"));
    assert_null(strstr(out.s, "server p-1"));
    same = lbw_digest(&w);
    assert_string_equal(before, same); /* members need no reload */
    s.ports[0].listen = 8124;
    other = lbw_digest(&w);
    assert_string_not_equal(before, other);
    lbw_service_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_member_is_added_and_is_in_when_it_is_up),
        cmocka_unit_test(who_leaves_is_drained_first_and_removed_when_idle),
        cmocka_unit_test(a_member_that_comes_back_is_made_ready_or_replaced),
        cmocka_unit_test(the_file_never_sends_a_query_twice_and_keeps_no_idle_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
