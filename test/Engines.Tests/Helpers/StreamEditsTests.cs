using Masquerade.Core.Flow;
using Masquerade.Fam;
using Xunit.Abstractions;

namespace Masquerade.Engines.Tests.Helpers;

/// <summary>The arithmetic of changed streams against a list of octets that says the same slowly.</summary>
[Trait("Rfc", "5382 REQ-6")]
public sealed class StreamEditsTests(ITestOutputHelper output)
{
    [Fact]
    public void An_edit_stands_behind_all_others_or_is_none()
    {
        var edits = new StreamEdits();
        Assert.True(edits.CanAdd(uint.MaxValue - 10));
        edits.Add(uint.MaxValue - 10, 20, "short"u8);
        Assert.False(edits.CanAdd(uint.MaxValue - 10));
        Assert.False(edits.CanAdd(8));
        Assert.True(edits.CanAdd(9));
        Assert.False(edits.CanAdd(uint.MaxValue - 40));
        Assert.False(edits.CanAdd(1u << 30));
        Assert.False(new StreamEdits().TryRestore(0, [new(100, 5, [1]), new((1u << 30) + 200, 5, [1])]));
    }

    [Fact]
    public void Every_octet_has_its_place_however_segments_are_cut_and_wherever_numbers_wrap_around()
    {
        var random = Seed.Fresh(output);
        for (var round = 0; round < 300; round++)
        {
            var start = random.NextInt(3) == 0 ? unchecked((uint)-random.NextInt(400)) : unchecked((uint)random.NextUInt64());
            var (client, server, forward, edits) = Make(random, start);
            for (var i = 0; i <= client.Length; i++)
            {
                Assert.Equal(unchecked(start + edits.Base + (uint)forward[i]), edits.Forward(unchecked(start + (uint)i)));
            }

            for (var i = 0; i <= server.Length; i++)
            {
                // The last position that is not beyond, and the first that is not before.
                var (back, up) = (Array.FindLastIndex(forward, f => f <= i), Array.FindIndex(forward, f => f >= i));
                var at = unchecked(start + edits.Base + (uint)i);
                Assert.Equal(unchecked(start + (uint)back), edits.Back(at));
                Assert.InRange(unchecked(edits.BackUp(at) - start), (uint)up, (uint)Math.Max(up, back));
            }

            var buffer = new byte[server.Length + 64];
            for (var cut = 0; cut < 50; cut++)
            {
                var from = random.NextInt(client.Length);
                var length = random.NextInt(client.Length - from + 1);
                var written = edits.Render(unchecked(start + (uint)from), client.AsSpan(from, length), buffer);
                Assert.Equal(server.AsSpan(forward[from]..forward[from + length]).ToArray(), buffer[..written]);
            }
        }
    }

    [Fact]
    public void What_is_acknowledged_is_only_a_sum_and_copies_of_it_end_where_they_did()
    {
        var random = Seed.Fresh(output);
        for (var round = 0; round < 300; round++)
        {
            var start = unchecked((uint)-random.NextInt(400));
            var (client, server, forward, edits) = Make(random, start);
            var places = Enumerable.Range(0, client.Length + 1).Select(i => edits.Forward(unchecked(start + (uint)i))).ToArray();
            var acknowledged = random.NextInt(server.Length + 1);
            var before = edits.Base;
            edits.Acknowledge(unchecked(start + before + (uint)acknowledged));
            var buffer = new byte[server.Length + 256];
            for (var cut = 0; cut < 50; cut++)
            {
                var from = random.NextInt(client.Length);
                var length = random.NextInt(client.Length - from + 1);
                var written = edits.Render(unchecked(start + (uint)from), client.AsSpan(from, length), buffer);

                // What the other end has already is not looked at; the rest must be the same, in the same place.
                var begin = unchecked((int)(edits.Forward(unchecked(start + (uint)from)) - start - before));
                Assert.True(begin + written <= Math.Max(acknowledged, forward[from + length]), $"{begin}+{written}");
                for (var i = Math.Max(0, acknowledged - begin); i < written; i++)
                {
                    Assert.Equal(server[begin + i], buffer[i]);
                }

                Assert.True(forward[from + length] <= acknowledged || begin + written == forward[from + length]);
            }

            Assert.Equal(places[^1], edits.Forward(unchecked(start + (uint)client.Length)));
        }
    }

    private static void Fill(SeededRandom random, byte[] octets)
    {
        for (var i = 0; i < octets.Length; i++)
        {
            octets[i] = (byte)random.NextInt(256);
        }
    }

    private static (byte[] Client, byte[] Server, int[] Forward, StreamEdits Edits) Make(SeededRandom random, uint start)
    {
        var client = new byte[100 + random.NextInt(400)];
        Fill(random, client);
        var edits = new StreamEdits();
        if (random.NextInt(2) == 0)
        {
            Assert.True(edits.TryRestore(unchecked((uint)(random.NextInt(1_000) - 500)), []));
        }

        var (server, forward, at) = (new List<byte>(), new List<int>(), 0);
        for (var count = random.NextInt(StreamEdits.MaxPending + 1); ; count--)
        {
            var to = count == 0 ? client.Length : Math.Min(at + random.NextInt(60), client.Length);
            for (; at < to; at++)
            {
                forward.Add(server.Count);
                server.Add(client[at]);
            }

            if (count == 0 || at == client.Length)
            {
                forward.Add(server.Count);
                return (client, [.. server], [.. forward], edits);
            }

            var length = Math.Min(1 + random.NextInt(40), client.Length - at);
            var text = new byte[1 + random.NextInt(60)];
            Fill(random, text);
            edits.Add(unchecked(start + (uint)at), length, text);
            for (var i = 0; i < length; i++, at++)
            {
                forward.Add(server.Count + Math.Min(i, text.Length));
            }

            server.AddRange(text);
        }
    }
}
