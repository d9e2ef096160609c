/* What the tests of workers share: a loop that the test turns, and workers that are the test
 * itself, each with a real child to be killed in its place. Everything asserts. */
#pragma once

#include "net/workers.h"

typedef struct
{
  NetLoop *loop;
  NetWorkersShared shared;
  guint started, put_back, records, last, failed, refused;
  gchar why[128];
  GPtrArray *asked; /* one a request */
} Scene;

typedef struct
{
  gint socket; /* the worker's end */
  pid_t pid;
} FakeWorker;

/* A queue for two, and no generation to ask. */
void scene_begin (Scene *scene);
/* Cancels what is still open. */
void scene_end (Scene *scene);
/* Turns the loop until the counter says so. */
void scene_turn_until (NetLoop *loop, const guint *counter, guint value);
/* A few turns, without waiting. */
void scene_turn (NetLoop *loop);
/* `timeout` in ms. `descriptor` travels along; -1: none. NULL: refused. */
NetRequest *scene_ask (Scene *scene, guint32 serial, guint32 timeout);
NetRequest *scene_ask_with (Scene *scene, guint32 serial, guint32 timeout, gint descriptor);

void scene_cancel (Scene *scene, NetRequest *request);
gboolean scene_recall (Scene *scene, NetRequest *request);

FakeWorker fake_worker_new (NetLoop *loop);
/* `killed`: by the loop; else the child still lives and is ended here. */
void fake_worker_bury (const FakeWorker *worker, gboolean killed);
/* The serial of the next request; 0: there is none. */
guint32 fake_worker_receive (const FakeWorker *worker);
void fake_worker_answer (const FakeWorker *worker, guint32 serial, gboolean last);
/* The last record, which says that all has taken so many microseconds. */
void fake_worker_answer_after (const FakeWorker *worker, guint32 serial, guint32 served);
/* That this process has open. */
guint scene_count_descriptors (void);
