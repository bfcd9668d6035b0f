using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>A message is repeated until it is answered, and not once more.</summary>
public sealed class OutboxTests(ITestOutputHelper output)
{
    private readonly List<(ulong Id, double Milliseconds)> _sent = [];
    private Instant _now = Instant.FromMilliseconds(1_000);

    [Fact]
    public void Repeats_after_100_ms_then_doubles_up_to_2_s()
    {
        var outbox = Box();
        Assert.True(Send(outbox, 1));
        while (_now < Instant.FromMilliseconds(10_000))
        {
            _now = outbox.NextDeadline;
            outbox.Advance(_now);
        }

        Assert.Equal([1_000, 1_100, 1_300, 1_700, 2_500, 4_100, 6_100, 8_100, 10_100], _sent.Select(s => s.Milliseconds));
    }

    [Fact]
    public void Times_and_capacity_can_be_configured()
    {
        var outbox = Box(new OutboxOptions { Capacity = 2, First = TimeSpan.FromMilliseconds(10), Maximum = TimeSpan.FromMilliseconds(15) });
        Assert.True(Send(outbox, 1));
        for (var i = 0; i < 3; i++)
        {
            _now = outbox.NextDeadline;
            outbox.Advance(_now);
        }

        Assert.Equal([1_000, 1_010, 1_025, 1_040], _sent.Select(s => s.Milliseconds));
        Assert.True(Send(outbox, 2));
        Assert.False(Send(outbox, 3));
        Assert.DoesNotContain(_sent, s => s.Id == 3);
        Assert.False(outbox.Contains(3));
        Assert.True(Send(outbox, 2));
        Assert.Equal(2, outbox.Count);
        Assert.True(outbox.Complete(1));
        Assert.True(Send(outbox, 3));
    }

    /// <summary>What can wait leaves room to what packets wait for; both know that they were refused.</summary>
    [Fact]
    public void The_last_quarter_of_the_room_is_kept_for_what_cannot_wait()
    {
        var outbox = Box(new OutboxOptions { Capacity = 8 });
        for (var id = 1UL; id <= 6; id++)
        {
            Assert.True(outbox.Send(new Heartbeat { Id = id }, _now, canWait: true));
        }

        Assert.False(outbox.Send(new Heartbeat { Id = 7 }, _now, canWait: true));
        Assert.True(outbox.Send(new Heartbeat { Id = 8 }, _now));
        Assert.True(outbox.Send(new Heartbeat { Id = 9 }, _now));
        Assert.False(outbox.Send(new Heartbeat { Id = 10 }, _now));
        Assert.Equal([1UL, 2UL, 3UL, 4UL, 5UL, 6UL, 8UL, 9UL], _sent.Select(s => s.Id));
    }

    [Fact]
    public void Octets_are_bounded_as_well_as_messages_but_one_message_always_goes()
    {
        var outbox = Box(new OutboxOptions { CapacityBytes = 100_000 });
        var large = new ReleaseMappings { Id = 1, Client = default, Mappings = new MappingId[8_000] };
        Assert.True(outbox.Send(large, _now));
        Assert.InRange(outbox.Bytes, 100_001, 1_000_000);
        Assert.False(Send(outbox, 2));
        Assert.True(outbox.Send(large with { Mappings = [] }, _now));
        Assert.InRange(outbox.Bytes, 1, 1_000);
        Assert.True(Send(outbox, 2));
        Assert.Equal(2, outbox.RemoveAll(_ => true));
        Assert.Equal(0, outbox.Bytes);
    }

    [Fact]
    public void An_answer_ends_the_repetition()
    {
        var outbox = Box();
        Send(outbox, 1);
        Assert.True(outbox.TryGet(1, out var message));
        Assert.Equal(1UL, message!.Id);
        Assert.True(outbox.Complete(1));
        Assert.False(outbox.Complete(1));
        Assert.False(outbox.TryGet(1, out _));
        Assert.Equal(0, outbox.Count);
        Assert.Equal(Instant.Never, outbox.NextDeadline);
        outbox.Advance(_now + TimeSpan.FromHours(1));
        Assert.Single(_sent);
    }

    [Fact]
    public void Nothing_is_repeated_before_it_is_due()
    {
        var outbox = Box();
        Send(outbox, 1);
        Assert.Equal(_now + TimeSpan.FromMilliseconds(100), outbox.NextDeadline);
        outbox.Advance(outbox.NextDeadline - TimeSpan.FromMilliseconds(0.001));
        Assert.Single(_sent);
    }

    [Fact]
    public void Order_is_that_of_the_numbers()
    {
        var outbox = Box();
        foreach (var id in (ulong[])[5, 3, 9, 1, 7])
        {
            Send(outbox, id);
        }

        _sent.Clear();
        _now = outbox.NextDeadline;
        outbox.Advance(_now);
        Assert.Equal([1, 3, 5, 7, 9], _sent.Select(s => s.Id));
    }

    [Fact]
    public void Numbers_count_up_from_one()
    {
        var outbox = Box();
        Assert.Equal([1UL, 2UL, 3UL], new[] { outbox.NextId(), outbox.NextId(), outbox.NextId() });
    }

    [Fact]
    public void After_a_reconnect_everything_is_due_at_once_and_intervals_start_over()
    {
        var outbox = Box();
        Send(outbox, 2);
        Send(outbox, 1);
        for (var i = 0; i < 6; i++)
        {
            _now = outbox.NextDeadline;
            outbox.Advance(_now);
        }

        _sent.Clear();
        _now += TimeSpan.FromMilliseconds(1);
        outbox.Restart(_now);
        Assert.Equal(_now, outbox.NextDeadline);
        outbox.Advance(_now);
        Assert.Equal([1, 2], _sent.Select(s => s.Id));
        Assert.Equal(_now + TimeSpan.FromMilliseconds(100), outbox.NextDeadline);
        _now = outbox.NextDeadline;
        outbox.Advance(_now);
        Assert.Equal(_now + TimeSpan.FromMilliseconds(200), outbox.NextDeadline);
    }

    [Fact]
    public void Without_a_session_everything_is_remembered_and_nothing_sent()
    {
        var outbox = Box();
        outbox.Suspended = true;
        Send(outbox, 1);
        Assert.Equal(Instant.Never, outbox.NextDeadline);
        outbox.Advance(_now + TimeSpan.FromMinutes(1));
        Assert.Empty(_sent);
        Assert.Equal(1, outbox.Count);
        outbox.Suspended = false;
        outbox.Restart(_now);
        outbox.Advance(_now);
        Assert.Single(_sent);
    }

    [Fact]
    public void What_is_overtaken_can_be_taken_back()
    {
        var outbox = Box();
        for (var id = 1UL; id <= 6; id++)
        {
            Send(outbox, id);
        }

        Assert.Equal(3, outbox.RemoveAll(m => m.Id % 2 == 0));
        _sent.Clear();
        _now = outbox.NextDeadline;
        outbox.Advance(_now);
        Assert.Equal([1, 3, 5], _sent.Select(s => s.Id));
    }

    /// <summary>A sink that answers at once (an in-memory channel) changes the outbox while it repeats.</summary>
    [Fact]
    public void The_sink_may_answer_from_within()
    {
        var sent = new List<ulong>();
        Outbox? outbox = null;
        outbox = new Outbox(m =>
        {
            sent.Add(m.Id);
            if (m.Id == 1 && sent.Count > 3)
            {
                outbox!.Complete(1);
                outbox.Complete(3);
                Assert.True(outbox.Send(new Heartbeat { Id = 4 }, _now));
            }
        });
        for (var id = 1UL; id <= 3; id++)
        {
            Send(outbox, id);
        }

        _now = outbox.NextDeadline;
        outbox.Advance(_now);
        Assert.Equal([1UL, 2UL, 3UL, 1UL, 4UL, 2UL], sent);
        Assert.Equal(2, outbox.Count);
        Assert.Equal(_now + TimeSpan.FromMilliseconds(100), outbox.NextDeadline);
    }

    /// <summary>Over a channel that loses, repeats and delays, everything is answered in the end, and nothing is sent after its answer.</summary>
    [Fact]
    public void A_bad_channel_delays_but_loses_nothing()
    {
        var random = Seed.Fresh(output);
        var answers = new PriorityQueue<ulong, long>();
        var answered = new HashSet<ulong>();
        var outbox = new Outbox(m =>
        {
            Assert.DoesNotContain(m.Id, answered);
            for (var copies = random.NextInt(3); copies > 0; copies--)
            {
                answers.Enqueue(m.Id, (_now + TimeSpan.FromMilliseconds(random.NextInt(400))).Nanoseconds);
            }
        });
        for (var i = 0; i < 500; i++)
        {
            Assert.True(outbox.Send(new Heartbeat { Id = outbox.NextId() }, _now));
            Step(_now + TimeSpan.FromMilliseconds(random.NextInt(20)));
        }

        Step(_now + TimeSpan.FromMinutes(5));
        Assert.Equal(0, outbox.Count);
        Assert.Equal(500, answered.Count);

        void Step(Instant until)
        {
            while (true)
            {
                var answer = answers.TryPeek(out _, out var at) ? new Instant(at) : Instant.Never;
                var next = Instant.Min(answer, outbox.NextDeadline);
                if (next > until)
                {
                    _now = until;
                    return;
                }

                _now = Instant.Max(_now, next);
                if (answer <= _now)
                {
                    var id = answers.Dequeue();
                    Assert.Equal(answered.Add(id), outbox.Complete(id));
                }
                else
                {
                    outbox.Advance(_now);
                }
            }
        }
    }

    private Outbox Box(OutboxOptions? options = null) => new(m => _sent.Add((m.Id, _now.Nanoseconds / 1_000_000.0)), options);

    private bool Send(Outbox outbox, ulong id) => outbox.Send(new Heartbeat { Id = id }, _now);
}
