using System.Text;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Xunit.Abstractions;

namespace Masquerade.Engines.Tests.Helpers;

/// <summary>
/// Two TCP ends, one of which names endpoints of its own, with segments cut anew at each repetition, lost, doubled and out of order, while the client goes from one access point to the
/// next: no octet is lost or doubled, and both ends agree on what has arrived.
/// </summary>
[Trait("Req", "N-03")]
[Trait("Rfc", "5382 REQ-6")]
public sealed class HelpedStreamTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("10.1.1.10", false)]
    [InlineData("210.110.210.110", false)]
    [InlineData("10.1.1.10", true)]
    public void Nothing_is_lost_however_segments_are_cut_repeated_and_acknowledged(string own, bool moves)
    {
        var random = Seed.Fresh(output);
        for (var round = 0; round < 25; round++)
        {
            var start = random.NextInt(2) == 0 ? unchecked((uint)-random.NextInt(600)) : unchecked((uint)random.NextUInt64());
            var ipv6 = random.NextInt(3) == 0;
            Play(random, new FtpSession(FtpSession.NewSite(own: own), start, ipv6), ipv6, moves);
        }
    }

    private static void Play(SeededRandom random, FtpSession session, bool ipv6, bool moves)
    {
        var lines = new List<(string Text, TransportEndpoint Named)>();
        var unanswered = 0;
        for (var line = 0; line < 30; line++)
        {
            var (text, named) = Line(random, session, ipv6, line);
            lines.Add((text, named));
            var (from, length) = session.Say(text);
            if (named.IsNone && length > 20 && random.NextInt(3) == 0)
            {
                session.Send(from, 10, () => random.Chance(0.3));
                (from, length) = (from + 10, length - 10);
            }

            SendAnchored(random, session, from, length);
            unanswered += named.IsNone ? 0 : 1;
            if (random.NextInt(3) == 0 && unanswered < StreamEdits.MaxPending)
            {
                // Some lines are said before the one before them has arrived; who names more endpoints than are kept at once does not have them replaced.
                continue;
            }

            unanswered = 0;
            for (var turn = 0; session.Acknowledged < session.Said; turn++)
            {
                Assert.True(turn < 2_000, $"{session.Acknowledged} of {session.Said} have arrived");
                Repeat(random, session);
                if (random.NextInt(3) > 0)
                {
                    session.Answer(random.NextInt(4) == 0 ? "200 yes\r\n" : string.Empty, isLost: random.Chance(0.3), blocks: random.NextInt(4));
                }

                if (moves && random.NextInt(40) == 0)
                {
                    session.Move();
                }
            }
        }

        for (var turn = 0; session.Acknowledged < session.Said; turn++)
        {
            Assert.True(turn < 1_000, $"{session.Acknowledged} of {session.Said} have arrived");
            Repeat(random, session);
            session.Answer();
        }

        Compare(session, lines);
    }

    private static void SendAnchored(SeededRandom random, FtpSession session, int from, int length)
    {
        var already = session.Site.Uplink.Count;
        if (session.Send(from, length, () => random.Chance(0.3)).Kind == VerdictKind.Held)
        {
            session.Anchor((ushort)(20_000 + session.Said));
            session.TakeNew(already, () => random.Chance(0.3));
        }
    }

    /// <summary>The client repeats something of what it does not know to have arrived, cut as it likes.</summary>
    private static void Repeat(SeededRandom random, FtpSession session)
    {
        var missing = Enumerable.Range(session.Acknowledged, session.Said - session.Acknowledged).Where(session.IsMissing).ToList();
        if (missing.Count == 0)
        {
            return;
        }

        var from = random.NextInt(3) == 0 ? missing[random.NextInt(missing.Count)] : missing[0];
        var most = 1 + random.NextInt(random.NextInt(2) == 0 ? 8 : 200);
        var length = 1;
        while (length < most && from + length < session.Said)
        {
            length++;
        }

        session.Send(from, length, () => random.Chance(0.2));
    }

    private static (string Text, TransportEndpoint Named) Line(SeededRandom random, FtpSession session, bool ipv6, int line)
    {
        var named = new TransportEndpoint(session.Client.Address, (ushort)(50_000 + line));
        var host = session.Client.Address.ToString();
        return (line == 0 ? 0 : random.NextInt(6)) switch
        {
            0 => ("USER somebody\r\n", TransportEndpoint.None),
            1 => ($"STOR {new string('x', random.NextInt(300))}\r\n", TransportEndpoint.None),
            2 => ("PORT 10,9,8,7,100,100\r\n", TransportEndpoint.None),
            3 when ipv6 => ($"EPRT |2|{host}|80|\r\n", TransportEndpoint.None),
            3 => ($"PORT {host.Replace('.', ',')},0,80\r\n", TransportEndpoint.None),
            4 when !ipv6 => ($"PORT {host.Replace('.', ',')},{named.Port >> 8},{named.Port & 255}\r\n", named),
            _ => ($"EPRT |{(ipv6 ? 2 : 1)}|{host}|{named.Port}|\r\n", named),
        };
    }

    private static void Compare(FtpSession session, List<(string Text, TransportEndpoint Named)> lines)
    {
        var received = session.Received.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(lines.Count, received.Length);
        var ports = new HashSet<ushort>();
        foreach (var ((said, named), heard) in lines.Zip(received))
        {
            if (named.IsNone)
            {
                Assert.Equal(said, heard + "\n");
                continue;
            }

            // It is read here by rules of its own.
            var body = heard.Trim()[5..];
            var parts = body.Split(body.StartsWith('|') ? '|' : ',', StringSplitOptions.RemoveEmptyEntries);
            var endpoint = body.StartsWith('|')
                ? new TransportEndpoint(IpAddress.Parse(parts[1]), ushort.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture))
                : new TransportEndpoint(IpAddress.Parse(string.Join('.', parts[..4])), (ushort)((int.Parse(parts[4], System.Globalization.CultureInfo.InvariantCulture) << 8) | int.Parse(parts[5], System.Globalization.CultureInfo.InvariantCulture)));
            Assert.Equal(session.Seen.Address, endpoint.Address);
            Assert.True(ports.Add(endpoint.Port));
        }

        Assert.Equal(Encoding.Latin1.GetByteCount(session.Received), session.Received.Length);
    }
}
