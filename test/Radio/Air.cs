using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Radio.Tests;

/// <summary>All that is in the air, as the simulated radios' monitor hears it: each frame once, by its kind.</summary>
internal sealed class Air : IDisposable
{
    private const string Program = """
        import os, socket
        kinds = {0x00: "associate", 0x10: "associated", 0x20: "reassociate", 0x30: "reassociated", 0xb0: "authentication", 0xc0: "deauthentication", 0xa0: "disassociation"}
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind(("hwsim0", 3))
        os.write(1, b"ready\n")
        while True:
            frame = s.recv(65535)
            frame = frame[frame[2] | frame[3] << 8:]
            kind = "eapol" if b"\xaa\xaa\x03\0\0\0\x88\x8e" in frame[:64] else kinds.get(frame[0])
            if kind and len(frame) >= 22:
                os.write(1, (kind + " " + frame[16:22].hex(":") + " " + frame[4:10].hex(":") + "\n").encode())
        """;

    private readonly Companion _program;

    public Air()
    {
        Tool.Run("ip", ["link", "set", "hwsim0", "up"]);
        _program = new Companion(null, null, "python3", "-u", "-c", Program);
        _program.WaitFor("ready", TimeSpan.FromMinutes(3));
    }

    /// <summary>Frames of an access point (0 is AP1) and its stations since the last call: their kind, whose they are, and to whom.</summary>
    public IReadOnlyList<string> Of(int accessPoint) => [.. _program.Said.Where(l => l.Contains(Radios.Bssid(accessPoint), StringComparison.Ordinal))];

    public void Clear() => _program.Clear();

    public void Dispose() => _program.Dispose();
}
