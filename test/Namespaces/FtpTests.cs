using System.Net;
using System.Security.Cryptography;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// A real FTP server (pyftpdlib, which takes no other address than that of who speaks to it) and a real client (Python's ftplib): files in both directions and modes over one control connection,
/// while the client walks between transfers and in the middle of one.
/// </summary>
public sealed class FtpTests(ITestOutputHelper output)
{
    private const string ServerScript = """
        import sys
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.servers import FTPServer
        authorizer = DummyAuthorizer()
        authorizer.add_user("somebody", "secret", sys.argv[2], perm="elrw")
        FTPHandler.authorizer = authorizer
        server = FTPServer((sys.argv[1], 21), FTPHandler)
        print("listening", flush=True)
        server.serve_forever()
        """;

    private const string ClientScript = """
        import ftplib, hashlib, io, sys, time
        ftp = ftplib.FTP()
        ftp.connect(sys.argv[1], 21, timeout=60)
        ftp.login("somebody", "secret")
        print("in", flush=True)
        data = b""
        for line in sys.stdin:
            word, mode = line.split()
            ftp.set_pasv(mode == "passive")
            if word == "put":
                ftp.storbinary("STOR back", io.BytesIO(data))
            else:
                blocks = []
                def take(block):
                    if not blocks:
                        print("begun", flush=True)
                    blocks.append(block)
                    if word == "slow":
                        time.sleep(0.01)
                ftp.retrbinary("RETR file", take, blocksize=8192)
                data = b"".join(blocks)
            print(word, mode, hashlib.sha256(data).hexdigest(), flush=True)
        """;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "5382 REQ-6")]
    [Trait("Req", "N-03")]
    public void Files_go_both_ways_in_both_modes_over_one_session_that_walks(bool ipv6)
    {
        using var site = TcpSessionTests.Site();
        var root = Directory.CreateDirectory(Path.Combine(site.Topology.ScratchDirectory, "ftp")).FullName;
        var content = new byte[1 << 20];
        Random.Shared.NextBytes(content);
        File.WriteAllBytes(Path.Combine(root, "file"), content);
        var address = (ipv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress).ToString();
        using var server = Start(site.Topology.Server, ServerScript, address, root);
        server.WaitFor("listening", s_patience);
        using var client = Start(site.Topology.Clients[0], ClientScript, address);
        client.WaitFor("in", s_patience);
        Transfer("get active");
        Transfer("get passive");
        foreach (var at in new[] { 1, 2, 0 })
        {
            site.Move(0, at);
            Transfer("get active");
            Transfer("put active");
            Assert.Equal(content, File.ReadAllBytes(Path.Combine(root, "back")));
            File.Delete(Path.Combine(root, "back"));
        }

        // In the middle of one, and the next over the same control connection.
        Say("slow active");
        client.WaitFor("begun", s_patience);
        site.Move(0, 1);
        Heard("slow active");
        Transfer("put passive");
        Transfer("get active");

        void Transfer(string what)
        {
            Say(what);
            Heard(what);
        }

        void Say(string what)
        {
            client.Clear();
            client.Say(what);
        }

        void Heard(string what) => client.WaitFor($"{what} {Convert.ToHexStringLower(SHA256.HashData(content))}", s_patience);
    }

    private Companion Start(NetNamespace where, string script, params string[] arguments) => new(where, output.Lines(), ["/usr/bin/python3", "-c", script, .. arguments]);
}
