/* The processes of a running Mailweir, seen from outside, for tests that kill and count them. */
#pragma once

#include "kit.h"

#define KIT_GATEWAY "mailweir-gatewa" /* as the kernel cuts it */
#define KIT_GENERATION "mailweir-gen"
#define KIT_WORKER "mailweir-worker"

/* The processes of this name below Mailweir, the dead ones not among them. Caller frees. */
GArray *kit_tree_all (KitProcess *mailweir, const gchar *name);
guint kit_tree_count (KitProcess *mailweir, const gchar *name);
/* The only one; waits until there is exactly one. */
GPid kit_tree_one (KitProcess *mailweir, const gchar *name);
/* Waits until there is exactly one, and it is another than this. */
GPid kit_tree_other (KitProcess *mailweir, const gchar *name, GPid before);
/* Waits until there are so many or more. */
void kit_tree_wait_count (KitProcess *mailweir, const gchar *name, guint count);
/* TRUE: it runs; a zombie does not. */
gboolean kit_tree_is_alive (GPid pid);
void kit_tree_wait_gone (GPid pid);
/* Processor time so far, in clock ticks. */
guint64 kit_tree_cpu (GPid pid);
/* That it has open. */
guint kit_tree_descriptors (GPid pid);
/* The value of a line of /proc/PID/status. Caller frees. */
gchar *kit_tree_status (GPid pid, const gchar *field);
/* How often the log says this. */
guint kit_log_count (KitProcess *process, const gchar *text);
void kit_wait_log_count (KitProcess *process, const gchar *text, guint count);
