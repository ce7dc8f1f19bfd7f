#include "supervisor/internal.h"
#include "tests/sim/lab.h"
#include "tests/sim/load.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/mem.h"
static double now(void){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec/1e9;}
static void dump(struct lab*l){ struct inst*in=l->super->insts; struct facts*fa=NULL; struct err fe={0}; if(desired_facts(in,in->fleet,&fa,&fe)==0){
#define P(w,n,k) for(size_t i=0;i<fa->hosts[h].n;i++) printf("%s " k " %s: %.300s -> %.300s\n",fa->hosts[h].key,fa->hosts[h].w[i].path,fa->hosts[h].w[i].from?fa->hosts[h].w[i].from:"(null)",fa->hosts[h].w[i].to?fa->hosts[h].w[i].to:"(null)");
for(size_t h=0;h<fa->n_hosts;h++){P(object_changes,n_object,"object") P(template_changes,n_template,"template") P(restart_changes,n_restart,"restart") P(reload_changes,n_reload,"reload")}
for(size_t i=0;i<fa->n_common;i++) printf("common %s: %.300s -> %.300s\n",fa->common_changes[i].path,fa->common_changes[i].from?fa->common_changes[i].from:"",fa->common_changes[i].to?fa->common_changes[i].to:"");} struct journal_reader*r; struct err e={0}; if(journal_read_open(&r,l->journal_dir,&e)<0){puts(e.msg);return;}
 cJSON*ops=journal_read_ops(r,"",1,&e); printf("%s\n",cJSON_Print(ops)); cJSON*pl=journal_read_plan(r,(uint64_t)json_int(ops,"0.op",0),&e); printf("%s\n",cJSON_Print(pl)); journal_read_close(r);}
int main(int argc,char**argv){
    uint64_t seed=argc>1?strtoull(argv[1],0,10):1;
    double t0=now();
    struct lab*l=lab_new(seed,getenv("DNS")!=NULL);
    struct shape sh={2,2,NULL,"\"max_concurrent_queries\":\"100\"",""};
    if(argc>2) simlog_trace(true,l->s);
    char*text=lab_demo(&sh);
    lab_super_start(l);
    lab_apply(l,text);
    bool ok=lab_wait_completed(l,"demo",3600000);
    printf("completed %d at %.3f virtual, %.3f real, %llu requests %llu writes, viol %u\n%s",ok,sim_now(l->s)/1000.0,now()-t0,(unsigned long long)l->requests,(unsigned long long)l->writes,observer_count(l->obs),observer_text(l->obs));
    if(!ok){char*st=json_print(json_get(lab_chi(l,"demo"),"status"));printf("%s\n%s\n",st,l->write_log);dump(l);cJSON*j=super_status(l->super);puts(cJSON_Print(j));return 1;}
    lab_schema(l,"demo");
    uint64_t w=l->writes; lab_run(l,600000);
    printf("idle writes %llu\n",(unsigned long long)(l->writes-w));
    load_start(l->load,"clickhouse-demo",200);
    observer_guard(l->obs,true); observer_mark(l->obs);
    sh.image="clickhouse/clickhouse-server:24.8"; t0=now(); uint64_t v0=sim_now(l->s);
    lab_apply(l,lab_demo(&sh));
    ok=lab_wait_completed(l,"demo",3600000);
    observer_expect_starts(l->obs,1);
    uint64_t f,q=load_queries(l->load,&f);
    printf("upgrade %d took %.3f virtual, %.3f real, q %llu f %llu, viol %u\n%s",ok,(sim_now(l->s)-v0)/1000.0,now()-t0,(unsigned long long)q,(unsigned long long)f,observer_count(l->obs),observer_text(l->obs));
    if(!ok){char*st=json_print(json_get(lab_chi(l,"demo"),"status"));printf("%s\n%s\n",st,l->write_log);dump(l);cJSON*j=super_status(l->super);puts(cJSON_Print(j));return 1;}
    lab_free(l);
    return 0;
}
