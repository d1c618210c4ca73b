/*
 * Goal: a process that reads what a mapped file no longer has names the file and dies of it.
 * Method: a child maps two files and cuts one short; what it wrote to standard error, and how it ended.
 */
#include "base/last_word.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1 << 16 };

static char folder[] = "/tmp/last_word_test.XXXXXX";

static const volatile char *map_new(const char *name)
{
    int fd = openat(AT_FDCWD, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert(fd >= 0 && ftruncate(fd, BYTES) == 0);
    const char *p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert(p != MAP_FAILED);
    close(fd);
    return p;
}

static void child(bool as_json, int to, bool is_sent)
{
    last_word_install(as_json);
    dup2(to, STDERR_FILENO);
    const volatile char *sound = map_new("sound"), *cut = map_new("cut \"short\"");
    int                  status = truncate("cut \"short\"", BYTES / 2);
    assert(status == 0);
    if (is_sent)
        raise(SIGBUS);
    if (sound[BYTES - 1] == 0 && cut[BYTES / 2 - 1] == 0)
        _exit(cut[BYTES / 2]);
}

static void dies_with(bool as_json, bool is_sent, const char *start, const char *end)
{
    char  said[4096];
    int   pipe_of[2], status;
    pid_t pid;

    assert(pipe(pipe_of) == 0 && (pid = fork()) >= 0);
    if (pid == 0)
        child(as_json, pipe_of[1], is_sent);
    close(pipe_of[1]);
    ssize_t n = read(pipe_of[0], said, sizeof said - 1);
    assert(n >= 0 && waitpid(pid, &status, 0) == pid);
    said[n] = '\0';
    assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    assert((size_t)n >= strlen(end) && strncmp(said, start, strlen(start)) == 0);
    assert(strcmp(said + strlen(said) - strlen(end), end) == 0);
    close(pipe_of[0]);
}

int main(void)
{
    char end[128];

    assert(mkdtemp(folder) != NULL && chdir(folder) == 0);
    snprintf(end, sizeof end, "file=\"%s/cut ?short?\"\n", folder);
    dies_with(false, false, "level=error msg=\"a page of a mapped file cannot be read", end);
    snprintf(end, sizeof end, "\"file\":\"%s/cut ?short?\"}\n", folder);
    dies_with(true, false, "{\"level\":\"error\",\"msg\":\"", end);
    dies_with(false, true, "", ""); /* somebody else's signal: no word */
    assert(unlink("sound") == 0 && unlink("cut \"short\"") == 0 && rmdir(folder) == 0);
    puts("last_word_test: fine");
    return 0;
}
