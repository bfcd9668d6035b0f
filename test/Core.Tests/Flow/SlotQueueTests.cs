using Masquerade.Core.Flow;
using Masquerade.Core.Tests.Control;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.FlowTables;

/// <summary>The queue against a list that does the same the slow way.</summary>
public sealed class SlotQueueTests(ITestOutputHelper output)
{
    [Fact]
    public void Behaves_like_a_list_without_duplicates()
    {
        const int Capacity = 20;
        var random = Seed.Fresh(output);
        var queue = new SlotQueue(Capacity);
        var model = new List<int>();
        for (var i = 0; i < 100_000; i++)
        {
            var slot = random.NextInt(Capacity);
            switch (random.NextInt(3))
            {
                case 0:
                    queue.Enqueue(slot);
                    if (!model.Contains(slot))
                    {
                        model.Add(slot);
                    }

                    break;
                case 1:
                    Assert.Equal(model.Remove(slot), queue.Remove(slot));
                    break;
                default:
                    Assert.Equal(model.Count > 0, queue.TryDequeue(out var first));
                    Assert.Equal(model.Count > 0 ? model[0] : -1, first);
                    if (model.Count > 0)
                    {
                        model.RemoveAt(0);
                    }

                    break;
            }

            Assert.Equal(model.Count, queue.Count);
            Assert.Equal(model.Contains(slot), queue.Contains(slot));
        }
    }
}
