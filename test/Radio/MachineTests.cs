using System.Runtime.CompilerServices;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Radio.Tests;

/// <summary>Tests whose scenarios run in the machine: outside, a test starts the machine with itself in it.</summary>
public abstract class MachineTests(ITestOutputHelper output)
{
    protected ITestOutputHelper Output { get; } = output;

    protected void InMachine(Action scenario, [CallerMemberName] string test = "")
    {
        ArgumentNullException.ThrowIfNull(scenario);
        if (Machine.IsHere)
        {
            scenario();
        }
        else
        {
            Machine.Run(GetType().FullName!, test, Output.Lines());
        }
    }
}
