/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/own.h"

#include "base/prom.h"

void own_print(struct str *out, const struct own_numbers *n)
{
    prom_single(out, "chfleet_exporter_hosts", "gauge", "ClickHouse hosts that were asked for the last page", (double)n->hosts);
    prom_single(out, "chfleet_exporter_hosts_failed", "gauge", "Of these, hosts that did not answer", (double)n->failed);
    str_addf(out, "# HELP chfleet_exporter_info Version of the exporter\n# TYPE chfleet_exporter_info gauge\n"
                  "chfleet_exporter_info{version=\"%s\"} 1\n",
             PACKAGE_VERSION_TEXT);
    prom_single(out, "chfleet_exporter_installations", "gauge", "Installations that are known", (double)n->installations);
    prom_single(out, "chfleet_exporter_leading", "gauge", "0 when another exporter shows the hosts (--leader-only)", n->leading);
    prom_single(out, "chfleet_exporter_look_seconds", "gauge", "How long it took to ask all hosts", (double)n->took_ms / 1000);
    prom_single(out, "chfleet_exporter_looks_total", "counter", "How often all hosts were asked", (double)n->scrapes);
}
