using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Namespaces.Tests;

/// <summary>Sends whole Ethernet frames from a namespace, whatever its kernel thinks of them, and tells of frames with a mark in them that come in.</summary>
internal sealed class RawFrames : IDisposable
{
    private const string Program = """
        import os, socket, sys, threading
        def say(line):
            os.write(1, (line + "\n").encode())
        mark = sys.argv[2].encode()
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        s.bind((sys.argv[1], 3))
        def listen():
            while True:
                frame, where = s.recvfrom(65535)
                if where[2] != 4 and mark in frame:
                    say("got " + frame.hex())
        threading.Thread(target=listen, daemon=True).start()
        say("ready")
        for line in sys.stdin:
            if line.startswith("done"):
                say(line.strip())
            else:
                s.send(bytes.fromhex(line.strip()))
        """;

    private readonly Companion _program;
    private int _sent;

    /// <param name="space">Where.</param>
    /// <param name="device">On which device.</param>
    /// <param name="mark">What is looked for in frames.</param>
    public RawFrames(NetNamespace space, string device, string mark)
    {
        _program = new Companion(space, null, "python3", "-u", "-c", Program, device, mark);
        _program.WaitFor("ready", TimeSpan.FromSeconds(20));
    }

    /// <summary>Frames with the mark that have come in.</summary>
    public IReadOnlyList<byte[]> Got => [.. _program.Said.Where(l => l.StartsWith("got ", StringComparison.Ordinal)).Select(l => Convert.FromHexString(l[4..]))];

    public void Clear() => _program.Clear();

    /// <summary>Sends frames, and returns when the kernel has them.</summary>
    public void Send(params IEnumerable<byte[]> frames)
    {
        foreach (var frame in frames)
        {
            _program.Say(Convert.ToHexString(frame));
        }

        var done = $"done {++_sent}";
        _program.Say(done);
        _program.WaitFor(done, TimeSpan.FromSeconds(60));
    }

    public void Dispose() => _program.Dispose();
}
