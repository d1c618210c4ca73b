/* All of this but the installing runs in a handler: no locks, no memory from the heap, system calls only. */
#include "base/last_word.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"

#define MESSAGE "a page of a mapped file cannot be read: its disk has failed, or it was cut short"

static bool        is_json;
static atomic_flag is_said = ATOMIC_FLAG_INIT; /* whoever comes second only waits for the end */

/* Of whoever came first. */
static struct {
    char   at[8192];
    size_t n;
} line;

static struct {
    int    fd;
    char   at[4096];
    size_t n, next;
} maps;

static void put(const char *text, size_t n)
{
    if (n > sizeof line.at - line.n)
        n = sizeof line.at - line.n;
    memcpy(line.at + line.n, text, n);
    line.n += n;
}

static void put_text(const char *text) { put(text, strlen(text)); }

/* What would end the quotes or the line is a question mark in names. */
static void put_quoted(char c) { put(c < ' ' || c >= 0x7f || c == '"' || c == '\\' ? "?" : &c, 1); }

/* -1: no more. */
static int next_char(void)
{
    if (maps.next == maps.n) {
        ssize_t n = maps.fd >= 0 ? read(maps.fd, maps.at, sizeof maps.at) : -1;
        if (n <= 0)
            return -1;
        maps.n = (size_t)n;
        maps.next = 0;
    }
    return (unsigned char)maps.at[maps.next++];
}

/* With the character behind it. */
static uintptr_t next_hex(void)
{
    uintptr_t n = 0;

    for (int c, digit; (c = next_char()) >= 0 && (digit = slice_hex_digit((char)c)) >= 0;)
        n = n << 4 | (uintptr_t)digit;
    return n;
}

/*
 * Puts the file of the mapping that holds the address, by lines of /proc/self/maps:
 *
 *     7f1c40000000-7f1c40021000 r--s 00000000 fd:01 1234      /data/blocks/...
 */
static void put_file(uintptr_t address)
{
    size_t before = line.n;
    int    c;

    maps.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    do {
        uintptr_t start = next_hex(), end = next_hex();
        bool      is_name = false;
        line.n = before;
        while ((c = next_char()) >= 0 && c != '\n')
            if (is_name || c == '/') {
                is_name = true;
                put_quoted((char)c);
            }
        if (address >= start && address < end)
            return;
    } while (c >= 0);
    line.n = before;
}

static void say(uintptr_t address)
{
    put_text(is_json ? "{\"level\":\"error\",\"msg\":\"" MESSAGE "\",\"file\":\""
                     : "level=error msg=\"" MESSAGE "\" file=\"");
    put_file(address);
    if (line.n > sizeof line.at - 3)
        line.n = sizeof line.at - 3;
    put_text(is_json ? "\"}\n" : "\"\n");
    if (write(STDERR_FILENO, line.at, line.n) < 0) {
        /* nowhere left to say so */
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    while (atomic_flag_test_and_set(&is_said))
        pause();
    if (info->si_code > 0) /* by the kernel, so there is an address */
        say((uintptr_t)info->si_addr);
    signal(number, SIG_DFL);
    raise(number);
}

void last_word_install(bool as_json)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

    is_json = as_json;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
