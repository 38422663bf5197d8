//! Command lines written by hand: textbook sessions, and one for each rule that was found.

/// Sessions under a heading each; every one begins with an empty table.
const SESSIONS: &str = include_str!("lines.txt");

/// The arguments of each line of each session.
pub(super) fn sessions() -> impl Iterator<Item = Vec<&'static str>> {
    SESSIONS.split("\n\n").map(|session| {
        session
            .lines()
            .filter_map(|line| line.strip_prefix("ipvsadm"))
            .map(str::trim_start)
            .collect()
    })
}

/// What `-R` reads.
pub(super) const RESTORES: &[&str] = &[
    "",
    "\n",
    "-A -t 10.1.0.1:80 -s rr\n\n   \n-A -t 10.1.0.1:81 -s rr",
    "ipvsadm -A -t 10.1.0.1:80 -s rr\n-A ipvsadm -t 10.1.0.1:81 ipvsadm\nipvsadm\n\
     ipvsadm ipvsadm -A -t 10.1.0.1:82\n",
    "-A -t 10.1.0.1:80 -s rr\r\n-A -t 10.1.0.1:81\r\n",
    "-A -t 10.1.0.1:80 --zzz\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80 -zz\n",
    "-A -t 10.1.0.1:80 -s\n-A -t 10.1.0.1:81\n",
    "# a comment\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80\n-A -t 10.1.0.1:80\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80\n-A -t 10.1.0.1:80\n",
    "-A -t 10.1.0.1:80\n-A -t\n\n",
    "-A -t 10.1.0.1:80\n-L\n-a -t 10.1.0.1:80 -r 10.9.0.2 -m\n-Ln\n-h\n-A -t 10.1.0.1:82\n",
    "-A -t 10.1.0.1:80\n-R\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80\n-v\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80\n-L -t 10.0.0.2:80\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80\n-D -t 10.0.0.2:80\n \n-S -n\n-C\n-A -t 10.1.0.1:88\n",
    "-A -t \"10.1.0.1:80\"\n",
    "-A -t 10.1.0.1:80 foo\n-A -t 10.1.0.1:81\n",
    "-A -t 10.1.0.1:80 -p\n-A -t 10.1.0.1:81\nfoo",
    "foo\n-A -t 10.1.0.1:81\n",
    "\t-A\t-t  10.1.0.1:80\t \n",
    "-a -t 10.1.0.1:80 -r 10.9.0.1\n-A -t 10.1.0.1:80\n-a -t 10.1.0.1:80 -r 10.9.0.1 -x 1 -y 2\n\
     -a -t 10.1.0.1:80 -r 10.9.0.1 -w 2\n-e -t 10.1.0.1:80 -r 10.9.0.2\n--set 1 2\n-L --timeout\n",
    "-A -t 10.1.0.1:80 -s rr -p 50 -M 255.255.255.0 -b flag-1\n-a -t 10.1.0.1:80 -r 10.9.0.1:80 -i \
     -w 1 --tun-type gue --tun-port 6080 --tun-nocsum\n-A -u 10.1.0.1:5060 -s rr -p 60 --pe sip -o\n\
     -A -f 5 -6 -s wrr\n--set 5 6 7\n-Z\n",
];
