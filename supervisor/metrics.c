/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics of the operator: our own numbers (chfleet_…), and those that users of Altinity's operator have panels and
 * alerts on (clickhouse_operator_…), with its names, types and labels: an installation's name and namespace, its labels and
 * annotations. Only who leads shows the latter, so that a sum over two replicas is right.
 */
#include <stdio.h>
#include <string.h>

#include "base/prom.h"
#include "supervisor/internal.h"

static const unsigned bucket_s[TIMING_BUCKETS] = {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};

/* ---- counting ---- */

static void took(struct timing *t, uint64_t ms)
{
    int i = 0;

    while (i < TIMING_BUCKETS && ms > bucket_s[i] * 1000ull)
        i++;
    t->in_bucket[i]++;
    t->count++;
    t->sum += (double)ms / 1000;
}

void metrics_op_begun(struct inst *in)
{
    in->counts.started++;
}

/* One that a newer generation takes the place of is neither completed nor aborted. */
void metrics_op_over(struct inst *in, enum outcome outcome)
{
    uint64_t now = world_wall(in->s->w);

    if (outcome == OUT_FAILED)
        in->counts.aborted++;
    if (outcome != OUT_DONE)
        return;
    in->counts.completed++;
    took(&in->counts.op_time, now > in->op_started_ms ? now - in->op_started_ms : 0);
}

void metrics_host_works(struct inst *in, struct hostrec *h)
{
    if (h->begun_ms)
        return;
    h->begun_ms = world_mono(in->s->w) + 1; /* never 0 */
    in->counts.hosts_started++;
}

void metrics_host_done(struct inst *in, struct hostrec *h)
{
    if (!h->begun_ms)
        return;
    in->counts.hosts_completed++;
    in->counts.hosts_restarts += h->action == ACT_SOFT_RESTART || h->action == ACT_RESTART || h->action == ACT_RECREATE;
    took(&in->counts.host_time, world_mono(in->s->w) + 1 - h->begun_ms);
    h->begun_ms = 0;
}

void metrics_host_failed(struct inst *in)
{
    in->counts.hosts_errors++;
}

/* ---- one family for all installations ---- */

struct family {
    const char *name, *help;
    size_t at;        /* in struct counts */
    bool keeper_too;  /* Keeper installations have it, too */
};

#define AT(field) offsetof(struct counts, field)
static const struct family counters[] = {
    {"clickhouse_operator_chi_reconciles_aborted", "Reconciles that ended with an error", AT(aborted), false},
    {"clickhouse_operator_chi_reconciles_completed", "Reconciles that ended well", AT(completed), false},
    {"clickhouse_operator_chi_reconciles_started", "Reconciles that were begun", AT(started), false},
    {"clickhouse_operator_host_reconciles_completed", "Hosts that were brought to what is wanted", AT(hosts_completed), true},
    {"clickhouse_operator_host_reconciles_errors", "Hosts on which a step failed", AT(hosts_errors), true},
    {"clickhouse_operator_host_reconciles_restarts", "Hosts that were restarted", AT(hosts_restarts), true},
    {"clickhouse_operator_host_reconciles_started", "Hosts on which work was begun", AT(hosts_started), true},
};
static const struct family timings[] = {
    {"clickhouse_operator_chi_reconciles_timings", "Seconds of reconciles that ended well", AT(op_time), false},
    {"clickhouse_operator_host_reconciles_timings", "Seconds of hosts that were brought to what is wanted", AT(host_time), true},
};

static void labels_of(const struct inst *in, struct str *out)
{
    const cJSON *res = super_resource(in), *exclude = json_at(in->s->config, "metrics.labels.exclude");
    const char *const fixed[][2] = {{"chi", in->name}, {"namespace", in->ns}};
    struct prom_labels l = {NULL, 0}, none = {NULL, 0};

    for (size_t i = 0; i < 2; i++)
        if (!json_has(exclude, fixed[i][0]))
            prom_labels_put(&l, fixed[i][0], fixed[i][1]);
    prom_labels_put_texts(&l, in->fleet ? in->fleet->labels : json_at(res, "metadata.labels"), exclude);
    prom_labels_put_texts(&l, in->fleet ? in->fleet->annotations : json_at(res, "metadata.annotations"), exclude);
    prom_labels_print(out, &l, &none);
    prom_labels_free(&l);
}

static bool shown(const struct inst *in, bool keeper_too)
{
    return super_watches(in->s, in->ns) && (in->group == GROUP_CHI || keeper_too);
}

static void line(struct str *out, const char *name, const char *part, const char *labels, double v)
{
    str_addf(out, "%s%s{%s} ", name, part, labels);
    prom_number(out, v);
    str_addc(out, '\n');
}

static void print_counter(const struct super *s, const struct family *f, struct str *out)
{
    prom_family(out, f->name, "counter", f->help);
    for (const struct inst *in = s->insts; in; in = in->next) {
        auto_str struct str labels = STR_INIT;
        uint64_t v;

        if (!shown(in, f->keeper_too))
            continue;
        labels_of(in, &labels);
        memcpy(&v, (const char *)&in->counts + f->at, sizeof v);
        line(out, f->name, "", str_text(&labels), (double)v);
    }
}

static void print_timing(const struct family *f, const struct timing *t, const char *labels, struct str *out)
{
    uint64_t below = 0;

    for (int i = 0; i <= TIMING_BUCKETS; i++) {
        auto_str struct str with = STR_INIT;

        below += t->in_bucket[i];
        str_addf(&with, "%s%sle=", labels, *labels ? "," : "");
        str_addf(&with, i < TIMING_BUCKETS ? "\"%u\"" : "\"+Inf\"", i < TIMING_BUCKETS ? bucket_s[i] : 0);
        line(out, f->name, "_bucket", str_text(&with), (double)below);
    }
    line(out, f->name, "_sum", labels, t->sum);
    line(out, f->name, "_count", labels, (double)t->count);
}

static void print_timings(const struct super *s, const struct family *f, struct str *out)
{
    bool begun = false;

    for (const struct inst *in = s->insts; in; in = in->next) {
        const struct timing *t = (const void *)((const char *)&in->counts + f->at);
        auto_str struct str labels = STR_INIT;

        if (!shown(in, f->keeper_too) || !t->count)
            continue;
        if (!begun)
            prom_family(out, f->name, "histogram", f->help);
        begun = true;
        labels_of(in, &labels);
        print_timing(f, t, str_text(&labels), out);
    }
}

static void print_installations(const struct super *s, struct str *out)
{
    prom_family(out, "clickhouse_operator_chi", "gauge", "1 for each installation, 0 when it was deleted");
    for (const struct inst *in = s->insts; in; in = in->next) {
        auto_str struct str labels = STR_INIT;

        if (!shown(in, false))
            continue;
        labels_of(in, &labels);
        line(out, "clickhouse_operator_chi", "", str_text(&labels), !in->gone && super_resource(in) ? 1 : 0);
    }
}

static void print_peers(const struct super *s, struct str *out)
{
    print_installations(s, out);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        print_counter(s, &counters[i], out);
    for (size_t i = 0; i < sizeof timings / sizeof *timings; i++)
        print_timings(s, &timings[i], out);
    prom_single(out, "clickhouse_operator_pod_add_events", "counter", "Pods of installations that appeared", (double)s->n_pods_added);
    prom_single(out, "clickhouse_operator_pod_delete_events", "counter", "Pods of installations that went away",
                (double)s->n_pods_deleted);
}

void super_target_info(const struct super *s, struct str *out)
{
    struct prom_labels l = {NULL, 0}, none = {NULL, 0};

    prom_family(out, "target_info", "gauge", "Who tells these numbers");
    prom_labels_put(&l, "service_name", "clickhouse-operator");
    prom_labels_put(&l, "service_version", s->opt.build);
    prom_labels_put(&l, "service_instance_id", s->opt.identity);
    if (s->opt.lease_ns)
        prom_labels_put(&l, "service_namespace", s->opt.lease_ns);
    str_add(out, "target_info{");
    prom_labels_print(out, &l, &none);
    str_add(out, "} 1\n");
    prom_labels_free(&l);
}

/* ---- ours ---- */

/* Why nothing goes on: one series for each installation that is blocked, and for each host that waits. */
static void print_blocked(struct super *s, struct str *out)
{
    prom_family(out, "chfleet_installation_blocked", "gauge", "1 while an installation cannot be brought to what is wanted, and why");
    for (const struct inst *in = s->insts; in; in = in->next)
        if (in->error_code && !in->gone && super_watches(s, in->ns))
            str_addf(out, "chfleet_installation_blocked{code=\"%s\",kind=\"%s\",name=\"%s\",namespace=\"%s\"} 1\n", in->error_code,
                     in->group == GROUP_CHI ? "chi" : "chk", in->name, in->ns);
}

static void print_waiting(struct super *s, struct str *out)
{
    uint64_t now = world_wall(s->w);

    prom_family(out, "chfleet_host_waiting_seconds", "gauge", "How long a host's change has been waiting, and for what");
    for (struct inst *in = s->insts; in; in = in->next)
        for (size_t i = 0; i < in->n_hosts && inst_busy(in); i++) {
            const struct hostrec *h = &in->hosts[i];

            if (!h->waiting[0] || h->finished || !super_watches(s, in->ns))
                continue;
            str_addf(out, "chfleet_host_waiting_seconds{code=\"%s\",host=\"%s\",name=\"%s\",namespace=\"%s\"} ", h->waiting, h->key,
                     in->name, in->ns);
            prom_number(out, now > h->since_ms ? (double)(now - h->since_ms) / 1000 : 0);
            str_addc(out, '\n');
        }
}

static void print_sums(struct super *s, struct str *out)
{
    uint64_t all = 0, busy = 0, blocked = 0, writes = 0, requests = kube_requests(s->kube, &writes), commits = 0, records = 0,
             waiting = 0;

    for (struct inst *in = s->insts; in; in = in->next) {
        if (!super_watches(s, in->ns))
            continue;
        all += !in->gone;
        busy += inst_busy(in);
        blocked += in->error_code != NULL;
    }
    journal_stats(s->j, &commits, &records, &waiting);
    const struct {
        const char *name, *type, *help;
        uint64_t v;
    } sums[] = {
        {"chfleet_api_requests_total", "counter", "Requests to the API server", requests},
        {"chfleet_api_writes_total", "counter", "Requests that change something", writes},
        {"chfleet_config_refused", "gauge", "Configurations that are wrong and not in force", (uint64_t)cJSON_GetArraySize(s->refused)},
        {"chfleet_config_reloads_total", "counter", "Changes of the configuration that were taken", s->n_reloads},
        {"chfleet_incidents_total", "counter", "Incidents that were recorded", s->n_incidents},
        {"chfleet_installations", "gauge", "Installations", all},
        {"chfleet_installations_blocked", "gauge", "Installations that cannot be brought to what is wanted", blocked},
        {"chfleet_installations_busy", "gauge", "Installations with an operation under way", busy},
        {"chfleet_journal_commits_total", "counter", "Transactions of the journal", commits},
        {"chfleet_journal_records_total", "counter", "Records in these", records},
        {"chfleet_journal_waiting", "gauge", "Records that are not durable yet", waiting},
        {"chfleet_leading", "gauge", "1 when this operator acts", s->leading},
        {"chfleet_operations_total", "counter", "Operations that were begun", s->n_ops},
        {"chfleet_permits_total", "counter", "Permits that were given", s->n_permits},
        {"chfleet_waits_total", "counter", "Permits that had to wait", s->n_refused},
        {"chfleet_workers", "gauge", "Worker processes", s->n_workers},
        {"chfleet_workers_killed_total", "counter", "Workers that were ended because they hung or lied", s->n_worker_kills},
    };

    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        prom_single(out, sums[i].name, sums[i].type, sums[i].help, (double)sums[i].v);
}

void super_metrics(struct super *s, struct str *out)
{
    print_sums(s, out);
    print_blocked(s, out);
    print_waiting(s, out);
    if (s->leading)
        print_peers(s, out);
}
