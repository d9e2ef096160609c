/* Names in every disguise: all of these must be refused, wherever the field stands; and names that
 * only look like it must pass. */
#include "test-attachments.h"

#include <string.h>

/* Fields of a part that must be refused. Line breaks are written as such. */
static const char *const names[] = {
  "Content-Disposition: attachment; filename=evil.exe",
  "Content-Disposition: attachment; filename=\"evil.exe\"",
  "Content-Type: application/octet-stream; name=\"evil.exe\"",
  "CONTENT-TYPE:application/octet-stream;NAME = evil.EXE",
  "Content-Disposition: attachment; FileName=\"EVIL.ExE\"; size=3",
  "Content-Disposition: attachment filename=evil.exe",
  "Content-Disposition: attachment; filename=evil.exe (comment)",
  "Content-Disposition: attachment; filename=evil(x).exe",
  "Content-Disposition: attachment; filename=ev(.txt)il.exe(.txt)",
  "Content-Disposition: attachment; (c) filename (d) = evil.exe",
  "Content-Disposition: attachment; filename='evil.exe'",
  "Content-Disposition: attachment; filename=\"evil.exe",
  "Content-Disposition: attachment; filename=\"evil.exe; x=y",
  "Content-Disposition: attachment; filename=evil.exe .txt.exe",
  "Content-Disposition: attachment; filename=\"my evil.exe\"",
  "Content-Disposition: attachment; filename=my evil.exe",
  "Content-Disposition: attachment;\n filename=\"evil.\n exe\"",
  "Content-Disposition: attachment;\n\tfilename\n\t=\n\t\"evil.exe\"",
  "Content-Disposition: attachment; filename(a(b)c)=\"evil.exe\"",
  "Content-Disposition: attachment; filename (\\)) = evil.exe",
  "Content-Disposition: attachment; filename=(;) \"evil.exe\"",
  "Content-Disposition: attachment; filename=\"evil\".exe\"",
  "Content-Disposition: attachment; filename=evil.exe=2Eexe",
  "Content-Disposition: attachment; filename=\"=?utf-8\"?Q?evil=2Eexe?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-8?B?ZX=ZpbC5leGU=?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-8*eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
  "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee?B?ZXZpbC5leGU=?=\"",
  "Content-Disposition: attachment; filename*0000000=evil.; filename*0000001=exe",
  "Content-Disposition: attachment; filename*0=evil; filename*1=exe; filename*1=.",
  /* two of a number behind a piece with a charset, and other orders */
  "Content-Disposition: attachment; filename*0*=utf-8''evi; filename*1=l.e; filename*1=xe",
  "Content-Disposition: attachment; filename*0*=utf-8''evi; filename*1=xe; filename*1=l.e",
  "Content-Disposition: attachment; filename*0=x; filename*0=evi; filename*2=xe; filename*1=l.e; "
  "filename*3=.txt; filename*3=; filename*7=q",
  "Content-Disposition: attachment; filename*0*=utf-8''evil%2; filename*1=y; filename*1=eex; "
  "filename*1=e",
  "Content-Disposition: attachment; filename*0=evil.exe; filename*2=.txt",
  "Content-Disposition: attachment; filename*0=evil.exe; filename*01=.txt",
  /* quotes that end where somebody else says so */
  "Content-Disposition: attachment; filename=\"evi\"l; x=y.exe\"",
  "Content-Disposition: attachment; filename*0=\"ev\"; filename*1=\"i=\"ev\"; f=\"il.exe\"",
  "Content-Disposition: attachment; filename=\"=?ut\"f-8?B?ZXZpbC5leGU=?=\"; x=y",
  "Content-Disposition: attachment; filename=\"=?utf-8?Q?e\"vil=2Eexe?=\"",
  "Content-Disposition: attachment; filename=(c)\"evil.exe\"*1*=",
  "Content-Disposition: attachment; filename=\"evil.e\"e*=vil.exe\"",
  "Content-Disposition: attachment; filename=ev\"il.e\"xe; x=y",
  "Content-Disposition: attachment; filename=ev(a;b)il.ex(\")e",
  "Content-Disposition: attachment; filename*0=ev*; filename*1=\"il\".exe\"",
  /* quoted pairs, paths */
  "Content-Disposition: attachment; filename=\"evil.e\\x\\e\"",
  "Content-Disposition: attachment; filename=\"evil\\.exe\"",
  "Content-Disposition: attachment; filename=\"C:\\new\\evil.exe\"",
  "Content-Disposition: attachment; filename=\"a.txt/../evil.exe\"",
  "Content-Disposition: attachment; filename=\"evil.exe/\"",
  "Content-Disposition: attachment; filename=\"evil.exe::$DATA\"",
  "Content-Disposition: attachment; filename=\"evil.exe:a.txt\"",
  /* ends */
  "Content-Disposition: attachment; filename=\"evil.exe.\"",
  "Content-Disposition: attachment; filename=\"evil.exe . \"",
  "Content-Disposition: attachment; filename=\"evil.exe \t\"",
  "Content-Disposition: attachment; filename=\"evil. exe\"",
  "Content-Disposition: attachment; filename=\"evil.exe\x01\"",
  "Content-Disposition: attachment; filename=\"evil.exe\u202e\"",
  "Content-Disposition: attachment; filename=\"evil\u202etxt.exe\"",
  "Content-Disposition: attachment; filename=\"evil.e\u200bxe\"",
  "Content-Disposition: attachment; filename=\"evil.exe\u00a0\u3000\"",
  "Content-Disposition: attachment; filename=\"evil.e\u00adxe\"",
  /* compatibility forms */
  "Content-Disposition: attachment; filename=\"evil.\uff45\uff58\uff45\"",
  "Content-Disposition: attachment; filename=\"evil\uff0eexe\"",
  "Content-Disposition: attachment; filename=\"evil.\u24d4xe\"",
  /* extensions */
  "Content-Disposition: attachment; filename=\".exe\"",
  "Content-Disposition: attachment; filename=\"report.pdf.exe\"",
  "Content-Disposition: attachment; filename=\"report.pdf                 .exe\"",
  "Content-Disposition: attachment; filename=\"evil.scr\"",
  "Content-Disposition: attachment; filename=\"evil.tar.gz\"",
  /* RFC 2231 */
  "Content-Disposition: attachment; filename*=utf-8''evil%2Eexe",
  "Content-Disposition: attachment; filename*=utf-8'en'%65%76%69%6C.e%78e",
  "Content-Disposition: attachment; filename*=''evil.exe",
  "Content-Disposition: attachment; filename*=evil.exe",
  "Content-Disposition: attachment; filename*=no-such-charset''evil%2eexe",
  "Content-Disposition: attachment; filename*=utf-7''evil.+AGU-xe",
  "Content-Disposition: attachment; filename*=utf-16be''%00e%00.%00e%00x%00e",
  "Content-Disposition: attachment; filename*=\"utf-8''evil.exe\"",
  "Content-Disposition: attachment; filename*0=evil.; filename*1=exe",
  "Content-Disposition: attachment; filename*1=exe; filename*0=evil.",
  "Content-Disposition: attachment; filename*0*=utf-8''evil%2e; filename*1=exe",
  "Content-Disposition: attachment; filename*0*=utf-8''evil; filename*1*=%2eex; filename*2=\"e\"",
  "Content-Disposition: attachment; filename*0*=utf-8''ev; filename*1=\"il.\"; filename*2*=ex%65",
  "Content-Disposition: attachment; filename*00=evil.; filename*01=exe",
  "Content-Disposition: attachment; filename*1=evil.; filename*2=exe",
  "Content-Disposition: attachment; filename*0=evil.; filename*5=exe",
  "Content-Disposition: attachment; filename=evil.; filename*1=exe",
  "Content-Disposition: attachment; filename*0=evil.; filename*0=x; filename*1=exe",
  "Content-Disposition: attachment; filename*0=x.; filename*0=evil.; filename*1=txt; "
  "filename*1=exe",
  "Content-Type: application/octet-stream; name*0*=us-ascii'en'evil; name*1*=%2Eexe",
  "Content-Disposition: attachment; filename=\"evil%2Eexe\"",
  "Content-Disposition: attachment; filename=\"evil.exe%00.txt\"",
  /* both readings */
  "Content-Disposition: attachment; filename=ok.txt; filename*0=evil.exe",
  "Content-Disposition: attachment; filename*0=ok.txt; filename=evil.exe",
  "Content-Disposition: attachment; filename*=utf-8''ok.txt; filename=evil.exe",
  "Content-Disposition: attachment; filename=ok.txt; filename*=utf-8''evil.exe",
  "Content-Disposition: attachment; filename=ok.txt; filename=evil.exe",
  "Content-Disposition: attachment; filename=evil.exe; filename=ok.txt",
  "Content-Type: application/pdf; name=ok.pdf; name=evil.exe",
  "Content-Disposition: attachment; filename=ok.txt\nContent-Type: text/plain; name=evil.exe",
  "Content-Disposition: attachment; filename=ok.txt\nContent-Disposition: attachment; "
  "filename=evil.exe",
  "Content-Disposition: attachment; filename=evil.exe\nContent-Disposition: attachment; "
  "filename=ok.txt",
  "Content-Type: text/plain; name=evil.exe\nContent-Type: text/plain; name=ok.txt",
  "Content-Type: text/plain; name=ok.txt\nContent-Type: text/plain; name=evil.exe",
  "Content-Disposition : attachment; filename=evil.exe",
  /* encoded-words */
  "Content-Disposition: attachment; filename=\"=?utf-8?B?ZXZpbC5leGU=?=\"",
  "Content-Disposition: attachment; filename==?utf-8?Q?evil=2Eexe?=",
  "Content-Disposition: attachment; filename=\"=?utf-8?q?evil=2E?= =?utf-8?b?ZXhl?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-8?b?ZXZpbA==?= =?utf-8?q?.exe?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-8?q?evil?=\n =?utf-8?q?=2Eexe?=\"",
  "Content-Disposition: attachment; filename=\"x=?utf-8?q?evil.ex?=e\"",
  "Content-Disposition: attachment; filename=\"=?utf-8*en?q?evil.exe?=\"",
  "Content-Disposition: attachment; filename=\"=?nonsense?q?evil=2Eexe?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-8?q?evil.exe\"",
  "Content-Disposition: attachment; filename=\"=?utf-8?q?evil.exe=00.txt?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-8?q?evil=FF.exe?=\"",
  "Content-Disposition: attachment; filename=\"=?utf-16be?b?AGUALgBlAHgAZQ==?=\"",
  "Content-Disposition: attachment; filename*0=\"=?utf-8?q?evil\"; filename*1=\".exe?=\"",
  "Content-Disposition: attachment; filename*=utf-8''=?utf-8?q?evil=2Eexe?=",
  "Content-Type: application/octet-stream; name=\"=?iso-8859-1?Q?=E4=2Eexe?=\"",
};

void
test_names (void)
{
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", "filter \"f\" { module = \"attachments\"\n" DENY "}");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *top = g_strconcat ("From: a@b\n", names[i], "\n\ntext\n", NULL);
      g_autofree char *part
          = g_strconcat ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n"
                         "text\n--x\n",
                         names[i], "\n\ntext\n--x--\n", NULL);
      g_autofree char *top_wire = weir_test_crlf (top);
      g_autofree char *part_wire = weir_test_crlf (part);
      g_autoptr (WeirTestResult) first = weir_test_run (harness, top_wire, strlen (top_wire));
      g_autoptr (WeirTestResult) second = weir_test_run (harness, part_wire, strlen (part_wire));

      assert_refused (first, top);
      assert_refused (second, part);
    }
}

static const char *const fine_names[] = {
  "Content-Disposition: attachment; filename=exe",
  "Content-Disposition: attachment; filename=\"evil.exe.txt\"",
  "Content-Disposition: attachment; filename=\"evil.exe.zip\"",
  "Content-Disposition: attachment; filename=\"notes.executive\"",
  "Content-Disposition: attachment; filename=\"a.gz\"",
  "Content-Disposition: attachment; filename=\"b\u00e4r.pdf\"",
  "Content-Disposition: attachment; filename=\"100% sure.pdf\"",
  "Content-Disposition: attachment; filename*=utf-8''na%C3%AFve.pdf",
  "Content-Disposition: attachment; filename=\"=?utf-8?q?na=C3=AFve?= =?utf-8?q?.pdf?=\"",
  "Content-Disposition: inline; x-filename=evil.exe",
  "Content-Disposition: attachment; filename=\"\"",
  "Content-Disposition: attachment; filename=",
  "Content-Disposition:",
  "Content-Type:",
  "Content-Type: text/plain; charset=utf-8; format=flowed",
  "Content-Description: evil.exe",
  /* by the letter, however long: nothing is left to guess */
  "Content-Disposition: attachment; filename*0=\"a.ex\"; filename*1=\"e b\"; filename*2=\".pdf\"",
  "Content-Disposition: attachment; filename=\"the evil.exe story.pdf\"; size=3",
  "Content-Disposition: attachment; filename=\"a.exe.pdf\"; filename*=utf-8''a.exe.pdf",
  "Content-Type: application/pdf; name=\"=?utf-8?B?YS5leGUgYi5wZGY=?=\"",
  "Subject: name=evil.exe",
};

void
test_fine_names (void)
{
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", "filter \"f\" { module = \"attachments\"\n" DENY TYPES "}");

  for (guint i = 0; i < G_N_ELEMENTS (fine_names); i++)
    {
      g_autofree char *top = g_strconcat ("From: a@b\n", fine_names[i], "\n\ntext\n", NULL);
      g_autofree char *part
          = g_strconcat ("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n",
                         fine_names[i], "\n\ntext\n--x--\n", NULL);

      check_harmless (harness, top);
      check_harmless (harness, part);
    }
}
