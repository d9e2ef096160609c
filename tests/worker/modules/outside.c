/* Does what a filter does that asks another program: looks at the time that is left, takes a
 * descriptor of the message, fails. What it found stands in notes. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mailweir/filter.h>

static WeirVerdict
at_connect (WeirContext *context)
{
  weir_set_note (context, "descriptor", "%s",
                 weir_message_descriptor (context) < 0 ? "none" : "one");
  return WEIR_PASS;
}

/* Reads through the offset, so that a shared one would be noticed the second time. */
static void
note_descriptor (WeirContext *context)
{
  char bytes[100] = { 0 };
  int first = weir_message_descriptor (context);
  int second = weir_message_descriptor (context);
  struct stat facts = { 0 };
  gboolean works = first >= 0 && second >= 0 && read (first, bytes, sizeof bytes - 1) >= 0
                   && lseek (second, 0, SEEK_CUR) == 0 && fstat (second, &facts) == 0
                   && (guint64) facts.st_size == weir_message_size (context)
                   && (fcntl (first, F_GETFD) & FD_CLOEXEC) != 0 && write (first, "x", 1) < 0
                   && ftruncate (first, 0) < 0;

  close (first);
  close (second);
  weir_set_note (context, "descriptor", "%s", works ? bytes : "broken");
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  weir_set_note (context, "left", "%" G_GINT64_FORMAT, weir_time_left (context));
  note_descriptor (context);
  if (weir_header_find (context, "Fail", 0) != WEIR_NO_HEADER)
    {
      weir_fail (context, "the %s\nis down", "scanner");
      weir_fail (context, "and so on");
      return weir_reply (context, 550, NULL, "not heard");
    }
  weir_header_append (context, "X-Outside", "yes", NULL);
  return WEIR_PASS;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "outside",
  .summary = "asks for what a filter needs that asks another program",
  .edits = WEIR_EDIT_HEADERS,
  .connect = at_connect,
  .end_of_message = end_of_message,
};
