namespace Masquerade.Radio.Tests;

/// <summary>A test that runs in the machine; where there can be none it is skipped, and says why.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class MachineFactAttribute : FactAttribute
{
    public MachineFactAttribute()
    {
        if (!Machine.IsHere)
        {
            Skip = Machine.Missing;
        }
    }
}
